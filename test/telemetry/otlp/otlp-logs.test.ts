import { ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeSpans } from '../../../src/demo/otlp-receiver.ts';
import { copyRecord } from '../../../src/records/copy-record.ts';
import type { AttributeValue } from '../../../src/records/record.ts';
import {
  EventName,
  type LogHead,
  LogRecords,
  type LogSink,
} from '../../../src/telemetry/logs/log-records.ts';
import { ReadableLogs } from '../../../src/telemetry/logs/readable-logs.ts';
import { OtlpLogs } from '../../../src/telemetry/otlp/otlp-logs.ts';
import { OtlpSpans } from '../../../src/telemetry/otlp/otlp-spans.ts';
import { writeSpans } from '../../../src/telemetry/spans/span-writer.ts';
import { FIELDS, hopOf } from '../../records/lines.ts';
import { decodeLogs, type ReceivedLog } from '../log-receiver.ts';
import { OTLP_TYPES } from '../otlp-types.ts';
import { RECORDS, record } from '../records.ts';

const SCOPE = {
  resource: resourceFromAttributes({ 'service.name': 'haproxy', 'process.pid': 42 }),
  instrumentationScope: { name: 'haproxy-otel-spoa', version: '1.2.3' },
};

const LIMITS = { attributeCount: 128, attributeValueLength: undefined };
const LINES = { limits: LIMITS, body: 'line' } as const;
const OBSERVED = FIELDS.end + 1_234_567;

/** The same log records from our encoder and from the SDK's serializer, as a receiver reads them. */
function both(write: (sink: LogSink) => void): [ReceivedLog[], ReceivedLog[]] {
  const own = new OtlpLogs(SCOPE);
  const readable = new ReadableLogs(SCOPE);
  write(own);
  write(readable);
  const stock = ProtobufLogsSerializer.serializeRequest(readable.drain());
  return [decodeLogs(own.finishRequest().bytes), decodeLogs(stock ?? new Uint8Array())];
}

type Changes = Readonly<Record<string, unknown>>;

/** The log record of one hop, which both encoders agree on. */
function logOf(
  changes: Changes,
  hop?: string,
  body: 'line' | 'summary' = 'line',
  limits: { attributeCount: number; attributeValueLength: number | undefined } = LIMITS,
): ReceivedLog {
  const [own, stock] = both((sink) => {
    new LogRecords(sink, { limits, body }).hop(...record(changes, hop), undefined, OBSERVED);
  });
  expect(own).toEqual(stock);
  expect(own).toHaveLength(1);
  return own[0] as ReceivedLog;
}

test.each(RECORDS)('%s: as the SDK writes it, with what its SERVER span has', (_, changes, hop) => {
  const log = logOf(changes, hop);
  const spans = new OtlpSpans(SCOPE);
  const [hopRecord, own] = record(changes, hop);
  writeSpans(spans, hopRecord, own);
  const [server] = decodeSpans(spans.finishRequest().bytes);
  expect(log.attributes).toEqual(server?.attributes);
  expect([log.traceId, log.spanId]).toEqual([server?.traceId, server?.spanId]);
  expect(log.flags).toBe((server?.flags ?? 0) & 0xff);
  expect(log.time).toBe(server?.end);
  expect(log.observed).toBe(BigInt(OBSERVED) * 1000n);
  expect(log.severity >= 17).toBe(server?.status === 2);
  expect(log.scope).toEqual(SCOPE.instrumentationScope);
  expect(log.resource).toEqual({ 'service.name': 'haproxy', 'process.pid': 42 });
});

test('all of them in one request, and in the next', () => {
  const own = new OtlpLogs(SCOPE);
  const readable = new ReadableLogs(SCOPE);
  for (let round = 0; round < 2; round += 1) {
    for (const sink of [own, readable]) {
      const logs = new LogRecords(sink, LINES);
      for (const [, changes, hop] of RECORDS) {
        logs.hop(...record(changes, hop), undefined, OBSERVED);
      }
    }
    const mark = own.mark();
    const stock = ProtobufLogsSerializer.serializeRequest(readable.drain()) ?? new Uint8Array();
    expect(decodeLogs(own.finishRequest(mark).bytes)).toEqual(decodeLogs(stock));
  }
});

test("OpenTelemetry's own types read it", () => {
  const own = new OtlpLogs(SCOPE);
  new LogRecords(own, LINES).hop(...record({ message: 'a line' }), undefined, OBSERVED);
  const { request } = OTLP_TYPES.logs;
  const decoded = request.toObject(request.decode(own.finishRequest().bytes), { longs: String });
  const [log] = decoded.resourceLogs[0].scopeLogs[0].logRecords;
  expect(log).toMatchObject({
    timeUnixNano: `${FIELDS.end}000`,
    observedTimeUnixNano: `${OBSERVED}000`,
    severityNumber: 9,
    severityText: 'INFO',
    body: { stringValue: 'a line' },
    flags: 3,
    traceId: Buffer.from(hopOf(1).slice(0, 32), 'hex'),
    spanId: Buffer.from(hopOf(1).slice(33, 49), 'hex'),
  });
  expect(log.attributes).toContainEqual({ key: 'url.path', value: { stringValue: '/a' } });
});

test('any body, any attribute, any time', () => {
  const value: fc.Arbitrary<AttributeValue> = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.boolean(),
    fc.maxSafeNat(),
    fc.double({ noNaN: true }).filter((number) => !Number.isInteger(number)),
    fc.array(fc.string({ maxLength: 40 }), { maxLength: 20 }),
  );
  const name = fc.string({ minLength: 1, maxLength: 200 }).filter((text) => text !== '__proto__');
  const time = fc
    .nat({ max: 2 ** 31 - 1 })
    .chain((seconds) => fc.nat({ max: 999_999 }).map((rest) => seconds * 1e6 + rest));
  const log = fc.record({
    attributes: fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 12 }),
    body: fc.string({ unit: 'grapheme', maxLength: 20_000 }),
    isLine: fc.boolean(),
    eventName: fc.constantFrom(...Object.values(EventName)),
    severity: fc.record({
      number: fc.nat({ max: 24 }),
      text: fc.constantFrom('', 'INFO', 'emerg'),
    }),
    time,
    observed: time,
    traceFlags: fc.option(fc.nat({ max: 3 }), { nil: undefined }),
  });
  const ids = { traceId: hopOf(1).slice(0, 32), spanId: hopOf(1).slice(33, 49) };
  fc.assert(
    fc.property(fc.array(log, { minLength: 1, maxLength: 5 }), (logs) => {
      const [own, stock] = both((sink) => {
        for (const { attributes, body, isLine, traceFlags, ...rest } of logs) {
          const buffer = Buffer.from(`<${body}>`);
          const head: LogHead = {
            ...rest,
            body: isLine ? { buffer, start: 1, end: buffer.length - 1 } : body,
            span: traceFlags === undefined ? undefined : { ...ids, traceFlags },
          };
          sink.begin(head);
          for (const [key, each] of attributes) sink.attribute(key, each);
          sink.end();
        }
      });
      expect(own).toEqual(stock);
    }),
    { seed: 12, numRuns: 300 },
  );
});

describe('the body', () => {
  test("is the user's line, byte for byte", () => {
    expect(logOf({ message: '10.0.0.1 www [x] "GET /ü HTTP/1.1" ✓' }).body).toBe(
      '10.0.0.1 www [x] "GET /ü HTTP/1.1" ✓',
    );
    const long = 'x'.repeat(16_000);
    expect(logOf({ message: long }).body).toBe(long);
  });

  test.each([
    ['a number of bytes', {}, '103', 'GET /a 200 www app/app1 ---- 46ms'],
    ['a dash', {}, '-', 'GET /a 200 www app/app1 ---- 46ms'],
    ['nothing', { target: '/a?b=c' }, '', 'GET /a 200 www app/app1 ---- 46ms'],
    [
      'a number of a hop without a server',
      { server: '<NOSRV>', backend: 'www', Tw: -1, status: 403, termination_state: 'PR--' },
      '212',
      'GET /a 403 www - PR-- 46ms',
    ],
    [
      'a number of a connection',
      { kind: 'tcp', termination_state: 'SC' },
      '0',
      'www app/app1 SC 46ms',
    ],
    [
      'our own words for a failed handshake',
      { error: 'SSL handshake failure' },
      'otel 198.51.100.1 443 SSL handshake failure',
      'www SSL handshake failure',
    ],
  ])('is a summary without the query where the line is only %s', (_, changes, message, body) => {
    expect(logOf({ ...changes, message }).body).toBe(body);
  });

  test('is the summary where that is asked for', () => {
    expect(logOf({ target: '/a?b=c' }, undefined, 'summary').body).toBe(
      'GET /a 200 www app/app1 ---- 46ms',
    );
  });

  test('is valid text whatever bytes the line has', () => {
    const [hopRecord, hop] = record({});
    const buffer = Buffer.from([0x61, 0xff, 0xfe, 0x62]);
    const [own, stock] = both((sink) => {
      const line = { buffer, start: 0, end: buffer.length };
      new LogRecords(sink, LINES).hop({ ...copyRecord(hopRecord), line }, hop, undefined, OBSERVED);
    });
    expect(own).toEqual(stock);
    expect(own[0]?.body).toBe('a\ufffd\ufffdb');
  });
});

test('limits hold for the attributes of a log record, not for its body', () => {
  const limits = { attributeCount: 3, attributeValueLength: 2 };
  const log = logOf({ message: 'the whole line' }, undefined, 'line', limits);
  expect(log.attributes).toEqual({
    'http.request.method': 'GE',
    'haproxy.frontend.name': 'ww',
    'haproxy.backend.name': 'ap',
  });
  expect(log.droppedAttributes).toBeGreaterThan(10);
  expect(log.body).toBe('the whole line');
});
