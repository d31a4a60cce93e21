import { resourceFromAttributes } from '@opentelemetry/resources';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseHop } from '../../../src/context/hop-view.ts';
import { decodeSpans } from '../../../src/demo/otlp-receiver.ts';
import { RecordParser } from '../../../src/records/record-parser.ts';
import { type Batch, splitBatch } from '../../../src/telemetry/otlp/batch.ts';
import { OtlpSpans } from '../../../src/telemetry/otlp/otlp-spans.ts';
import { writeSpans } from '../../../src/telemetry/spans/span-writer.ts';
import { hopOf, recordLine } from '../../records/lines.ts';

const SCOPE = {
  resource: resourceFromAttributes({
    'service.name': 'haproxy',
    'process.command': 'x'.repeat(300),
  }),
  instrumentationScope: { name: 'haproxy-otel-spoa', version: '1.2.3' },
};

const parser = new RecordParser();

/** Adds a hop of two spans whose path has this many characters. */
function addHop(spans: OtlpSpans, index: number, length: number): void {
  const line = Buffer.from(recordLine(hopOf(index), { target: `/${'x'.repeat(length)}` }));
  const record = parser.parse(line, 0, line.length);
  const hop = parseHop(hopOf(index));
  if (record === undefined || hop === undefined) throw new Error('unusable');
  writeSpans(spans, record, hop);
}

/** All the way down, as for a receiver that accepts no more than one span. */
function splitAll(batch: Batch): Batch[] {
  const halves = splitBatch(batch);
  return halves === undefined ? [batch] : halves.flatMap(splitAll);
}

const lengths = fc.array(fc.constantFrom(0, 10, 200, 20_000), { minLength: 1, maxLength: 40 });

test('both halves have the resource and the scope, and all spans in order', () => {
  fc.assert(
    fc.property(lengths, (paths) => {
      const spans = new OtlpSpans(SCOPE);
      paths.forEach((length, index) => {
        addHop(spans, index, length);
      });
      const batch = spans.finishRequest();
      const whole = decodeSpans(batch.bytes);
      const [first, second] = splitBatch(batch) ?? [];
      if (first === undefined || second === undefined) throw new Error('not split');
      const halves = [decodeSpans(first.bytes), decodeSpans(second.bytes)];
      expect(halves.flat()).toEqual(whole);
      expect(halves.map(({ length }) => length)).toEqual([first.items, second.items]);
      const single = splitAll(batch);
      expect(single.map(({ items }) => items)).toEqual(whole.map(() => 1));
      expect(single.flatMap(({ bytes }) => decodeSpans(bytes))).toEqual(whole);
    }),
    { seed: 12, numRuns: 50 },
  );
});

test('the spans of a hop stay together as long as there are others', () => {
  fc.assert(
    fc.property(lengths, (paths) => {
      const spans = new OtlpSpans(SCOPE);
      paths.forEach((length, index) => {
        addHop(spans, index, length);
      });
      const apart = (batch: Batch): Batch[] =>
        batch.items <= 2 ? [batch] : (splitBatch(batch) ?? []).flatMap(apart);
      const batches = apart(spans.finishRequest()).map(({ bytes }) => decodeSpans(bytes));
      for (const [server, client, ...others] of batches) {
        expect(client?.parentSpanId).toBe(server?.spanId);
        expect(others).toEqual([]);
      }
      expect(batches).toHaveLength(paths.length);
    }),
    { seed: 14, numRuns: 50 },
  );
});

test('they are of about the same size, and have memory of their own', () => {
  const spans = new OtlpSpans(SCOPE);
  for (let i = 0; i < 1000; i += 1) addHop(spans, i, 100);
  const batch = spans.finishRequest();
  const [first, second] = splitBatch(batch) ?? [];
  expect(Math.abs((first?.bytes.length ?? 0) - (second?.bytes.length ?? 0))).toBeLessThan(2000);
  const before = decodeSpans(first?.bytes ?? batch.bytes);
  batch.bytes.fill(0);
  expect(decodeSpans(first?.bytes ?? batch.bytes)).toEqual(before);
});

test('spans up to a mark are one batch, those behind it are in the next', () => {
  fc.assert(
    fc.property(lengths, lengths, (paths, more) => {
      const [spans, reference] = [new OtlpSpans(SCOPE), new OtlpSpans(SCOPE)];
      const addBoth = (length: number, index: number): void => {
        addHop(spans, index, length);
        addHop(reference, index, length);
      };
      paths.forEach(addBoth);
      const mark = spans.mark();
      more.forEach(addBoth);
      const first = spans.finishRequest(mark);
      more.forEach(addBoth);
      const batches = [first, spans.finishRequest()];
      expect(batches.map(({ items }) => items)).toEqual([2 * paths.length, 4 * more.length]);
      expect(batches.flatMap(({ bytes }) => decodeSpans(bytes))).toEqual(
        decodeSpans(reference.finishRequest().bytes),
      );
      expect(spans.count).toBe(0);
    }),
    { seed: 13, numRuns: 50 },
  );
});
