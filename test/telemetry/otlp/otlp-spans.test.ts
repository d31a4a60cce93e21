import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import { copyHop } from '../../../src/context/hop-view.ts';
import { decodeSpans, type ReceivedSpan } from '../../../src/demo/otlp-receiver.ts';
import { copyRecord } from '../../../src/records/copy-record.ts';
import type { AttributeValue } from '../../../src/records/record.ts';
import type { Batch } from '../../../src/telemetry/otlp/batch.ts';
import { OtlpSpans } from '../../../src/telemetry/otlp/otlp-spans.ts';
import { LimitedSpans } from '../../../src/telemetry/spans/limited-spans.ts';
import { ReadableSpans } from '../../../src/telemetry/spans/readable-spans.ts';
import {
  type SpanHead,
  type SpanSink,
  writeSpans,
} from '../../../src/telemetry/spans/span-writer.ts';
import { hopOf } from '../../records/lines.ts';
import { RECORDS, record } from '../records.ts';

const SCOPE = {
  resource: resourceFromAttributes({
    'service.name': 'haproxy',
    'process.pid': 42,
    'process.command_args': ['node', 'x'.repeat(300)],
  }),
  instrumentationScope: { name: 'haproxy-otel-spoa', version: '1.2.3' },
};

/** The same spans from our encoder and from the SDK's serializer, as a receiver reads them. */
function both(tell: (sink: SpanSink) => void): [unknown, unknown] {
  const own = new OtlpSpans(SCOPE);
  const readable = new ReadableSpans(SCOPE);
  tell(own);
  tell(readable);
  const stock = ProtobufTraceSerializer.serializeRequest(readable.drain());
  return [decodeSpans(own.finishRequest().bytes), decodeSpans(stock ?? new Uint8Array())];
}

test.each(RECORDS)(
  "%s: what a receiver reads is what the SDK's serializer writes",
  (_name, changes, hop) => {
    const [own, stock] = both((sink) => writeSpans(sink, ...record(changes, hop)));
    expect(own).toEqual(stock);
  },
);

test.each(RECORDS)('%s: the spans of a copy are those of the view', (_name, changes, hop) => {
  const spansOf = (isCopy: boolean): unknown => {
    const own = new OtlpSpans(SCOPE);
    const [view, hopView] = record(changes, hop);
    if (isCopy) writeSpans(own, copyRecord(view), copyHop(hopView));
    else writeSpans(own, view, hopView);
    return decodeSpans(own.finishRequest().bytes);
  };
  expect(spansOf(true)).toEqual(spansOf(false));
});

test('all of them in one batch', () => {
  const [own, stock] = both((sink) => {
    for (const [, changes, hop] of RECORDS) writeSpans(sink, ...record(changes, hop));
  });
  expect(own).toEqual(stock);
  // One has no server, and two are connections.
  expect(own).toHaveLength(2 * RECORDS.length - 3);
});

test('a batch that is recycled is overwritten, one that is not stays as it was', () => {
  const own = new OtlpSpans(SCOPE);
  const readable = new ReadableSpans(SCOPE);
  const next = (number: number): { batch: Batch; stock: unknown } => {
    for (let i = 0; i < 64; i += 1) {
      const told = record({ target: `/${number}/${i}` }, hopOf(number * 1000 + i));
      writeSpans(own, ...told);
      writeSpans(readable, ...told);
    }
    const encoded = ProtobufTraceSerializer.serializeRequest(readable.drain());
    return { batch: own.finishRequest(), stock: decodeSpans(encoded ?? new Uint8Array()) };
  };
  const [first, kept] = [next(1), next(2)];
  own.recycle(first.batch);
  const rest = [next(3), next(4), next(5)];
  for (const { batch, stock } of [kept, ...rest]) expect(decodeSpans(batch.bytes)).toEqual(stock);
  const buffers = rest.map(({ batch }) => batch.bytes.buffer);
  expect(buffers).toContain(first.batch.bytes.buffer);
  expect(new Set([...buffers, kept.batch.bytes.buffer]).size).toBe(4);
});

test('any attribute, any text, any time', () => {
  const value: fc.Arbitrary<AttributeValue> = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.boolean(),
    fc.maxSafeNat(),
    fc.double({ noNaN: true }).filter((number) => !Number.isInteger(number)),
    fc.array(fc.string({ maxLength: 40 }), { maxLength: 20 }),
  );
  const name = fc.string({ minLength: 1, maxLength: 200 }).filter((text) => text !== '__proto__');
  const span = fc.record({
    attributes: fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 20 }),
    title: fc.string({ unit: 'grapheme' }),
    start: fc
      .nat({ max: 2 ** 31 - 1 })
      .chain((seconds) => fc.nat({ max: 999_999 }).map((rest) => seconds * 1e6 + rest)),
    duration: fc.nat(),
    failed: fc.boolean(),
    remote: fc.option(fc.boolean(), { nil: undefined }),
    traceFlags: fc.nat({ max: 3 }),
  });
  const [traceId, spanId, parentId] = [
    hopOf(1).slice(0, 32),
    hopOf(1).slice(33, 49),
    '12'.repeat(8),
  ];
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 5 }), (spans) => {
      const [own, stock] = both((sink) => {
        for (const { attributes, title, start, duration, failed, remote, traceFlags } of spans) {
          const parent = remote === undefined ? undefined : { spanId: parentId, remote };
          const end = start + duration;
          const kind = failed ? 'SERVER' : 'CLIENT';
          const tracestate = failed ? 'a=1' : undefined;
          const link = remote === true ? { traceId, spanId: parentId, traceFlags } : undefined;
          const ids = { traceId, spanId, traceFlags, tracestate, parent, link };
          sink.begin({ name: title, kind, ...ids, start, end, failed });
          for (const [key, each] of attributes) sink.attribute(key, each);
          sink.end();
        }
      });
      expect(own).toEqual(stock);
    }),
    { seed: 10, numRuns: 500 },
  );
});

test('spans that share attributes with those before them, over several batches', () => {
  // Few names and values, so that much is repeated, in all lengths: a length of a message has one to three bytes.
  const few = fc.constantFrom<AttributeValue>('', 'a', 'b', 'x'.repeat(200), 'y'.repeat(20_000), 7);
  const span = fc.record({
    kind: fc.constantFrom('SERVER' as const, 'CLIENT' as const),
    name: fc.constantFrom('', 'GET', 'n'.repeat(300)),
    values: fc.array(few, { maxLength: 8 }),
    /** Left out, so that those behind it move. */
    missing: fc.nat({ max: 8 }),
    taken: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(span, { minLength: 2, maxLength: 12 }), (spans) => {
      const [own, readable] = [new OtlpSpans(SCOPE), new ReadableSpans(SCOPE)];
      const batches: unknown[][] = [];
      const take = (): void => {
        const stock = ProtobufTraceSerializer.serializeRequest(readable.drain());
        batches.push([own.finishRequest().bytes, stock ?? new Uint8Array()]);
      };
      for (const { kind, name, values, missing, taken } of spans) {
        for (const sink of [own, readable]) {
          const ids = { traceId: hopOf(1).slice(0, 32), spanId: hopOf(1).slice(33, 49) };
          const rest = { traceFlags: 1, tracestate: undefined, parent: undefined, link: undefined };
          sink.begin({ name, kind, ...ids, ...rest, start: 1, end: 2, failed: false });
          values.forEach((value, i) => {
            if (i !== missing) sink.attribute(`attribute ${i}`, value);
          });
          sink.end();
        }
        if (taken) take();
      }
      if (own.count > 0) take();
      // Only now: a finished batch must not be overwritten by a later one.
      for (const [ours, stock] of batches) {
        expect(decodeSpans(ours as Buffer)).toEqual(decodeSpans(stock as Uint8Array));
      }
    }),
    { seed: 11, numRuns: 500 },
  );
});

test('a batch starts anew after it was finished', () => {
  const spans = new OtlpSpans(SCOPE);
  writeSpans(spans, ...record({}));
  const first = spans.finishRequest();
  writeSpans(spans, ...record({ target: '/b' }));
  const second = spans.finishRequest();
  expect([first.items, second.items, spans.count]).toEqual([2, 2, 0]);
  expect(decodeSpans(first.bytes)[0]?.attributes['url.path']).toBe('/a');
  expect(decodeSpans(second.bytes)[0]?.attributes['url.path']).toBe('/b');
  expect(decodeSpans(first.bytes)[0]?.resource).toEqual({
    'service.name': 'haproxy',
    'process.pid': 42,
    'process.command_args': ['node', 'x'.repeat(300)],
  });
});

/** Adds this many attributes to each span. */
class ManyAttributes implements SpanSink {
  private readonly sink: SpanSink;
  private readonly count: number;

  constructor(sink: SpanSink, count: number) {
    this.sink = sink;
    this.count = count;
  }

  begin(head: SpanHead): void {
    this.sink.begin(head);
  }

  attribute(name: string, value: AttributeValue): void {
    this.sink.attribute(name, value);
  }

  end(): void {
    for (let i = 0; i < this.count; i += 1) this.sink.attribute(`more.${i}`, i);
    this.sink.end();
  }
}

describe('limits', () => {
  /** Spans under these limits, as a receiver reads them from both encoders, which agree. */
  function limited(
    attributeCount: number,
    attributeValueLength: number | undefined,
    ...records: Readonly<Record<string, unknown>>[]
  ): ReceivedSpan[] {
    const [own, stock] = both((sink) => {
      const limits = new LimitedSpans(sink, { attributeCount, attributeValueLength });
      for (const changes of records) writeSpans(limits, ...record(changes));
    });
    expect(own).toEqual(stock);
    return own as ReceivedSpan[];
  }

  test('of the count: the first remain, and the span has how many were dropped', () => {
    const spans = limited(5, undefined, {}, { own: { a: 'x', b: 'y' } }, {});
    const whole = limited(128, undefined, {}, { own: { a: 'x', b: 'y' } }, {});
    expect(spans).toHaveLength(6);
    for (const [index, span] of spans.entries()) {
      const { attributes, droppedAttributes } = whole[index] as ReceivedSpan;
      const names = Object.keys(attributes);
      expect(droppedAttributes).toBe(0);
      expect(Object.keys(span.attributes)).toEqual(names.slice(0, 5));
      expect(span.droppedAttributes).toBe(names.length - 5);
    }
    expect(spans[2]?.droppedAttributes).toBe((spans[0]?.droppedAttributes ?? 0) + 2);
  });

  test('of 128 attributes, which is the default, and of none', () => {
    const [own, stock] = both((sink) => {
      const { spanLimits } = loadConfig({}).telemetry;
      writeSpans(new ManyAttributes(new LimitedSpans(sink, spanLimits), 200), ...record({}));
    });
    expect(own).toEqual(stock);
    for (const { attributes, droppedAttributes } of own as ReceivedSpan[]) {
      expect(Object.keys(attributes)).toHaveLength(128);
      expect(droppedAttributes).toBeGreaterThan(72);
    }
    expect(limited(0, undefined, {}).map((span) => span.attributes)).toEqual([{}, {}]);
  });

  test('of the length: strings, and those in lists, by characters and not by bytes or halves of them', () => {
    const attributes = {
      long: 'abcdef',
      exact: 'abcd',
      pairs: '\u{1f600}'.repeat(5),
      mixed: 'a\u{1f600}b\u{1f600}c',
      'http.request.header.list': '\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}',
      'number:int': 123_456,
      'boolean:bool': true,
    };
    const [server, client] = limited(128, 4, { own: attributes, method: 'DELETE' });
    expect(server?.attributes).toMatchObject({
      'http.request.method': 'DELE',
      long: 'abcd',
      exact: 'abcd',
      pairs: '\u{1f600}'.repeat(4),
      mixed: 'a\u{1f600}b\u{1f600}',
      'http.request.header.list': ['\u{1f600}'.repeat(4)],
      number: 123_456,
      boolean: true,
    });
    expect(client?.attributes['url.full']).toBe('http');
    expect(server?.name).toBe('DELETE');
    expect(server?.droppedAttributes).toBe(0);
    expect(limited(128, 0, { own: attributes })[0]?.attributes.pairs).toBe('');
  });
});
