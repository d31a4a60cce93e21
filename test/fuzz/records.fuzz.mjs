// Bytes of a ring: however they are cut into chunks the records are the same, and the spans of each are those that the
// SDK's serializer writes.
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { recordLine } from '../../benchmarks/inputs.mjs';
import { decodeSpans } from '../../dist/demo/otlp-receiver.js';
import { droppedByRing, otherVersion, RecordParser } from '../../dist/records/record-parser.js';
import { FramingError, MAX_RECORD_BYTES, RecordSplitter } from '../../dist/records/splitter.js';
import { OtlpSpans } from '../../dist/telemetry/otlp/otlp-spans.js';
import { ReadableSpans } from '../../dist/telemetry/spans/readable-spans.js';
import { writeSpans } from '../../dist/telemetry/spans/span-writer.js';
import { check, Parts, pushInChunks, target } from './checks.mjs';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const HOP = `${TRACE}-${SPAN}-03-f7ad6b7169203331`;

const lines = [
  recordLine(1),
  recordLine(2, '02', { status: 503, termination_state: 'SC--', retries: '+3', server: '<NOSRV>' }),
  recordLine(3, '03', {
    target: 'https://shop.example/a?b=%22c\\"d&Signature=x',
    tracestate: 'ot=th:c;rv:1,a=b',
    host: '[2001:db8::1]:8443',
    client_address: '2001:db8::2',
  }),
  recordLine(4, '03', { hop: `${HOP}-00f067aa0ba902b7`, reported: 1 }),
  recordLine(5, '03', { hop: `${HOP}-l-${TRACE}-${SPAN}-01`, stopping: 1 }),
  recordLine(6, '03', {
    hop: `${HOP}-00f067aa0ba902b7-d`,
    route: '/orders/{id}',
    request_id: 'r1',
  }),
  '<134>1 2026-11-23T12:00:00.000000+00:00 - haproxy 1 - - 17 events dropped',
];
export const seeds = [
  ...lines.map((line) => `${line.length} ${line}`),
  `${lines.join('\n')}\n`,
  lines.map((line) => `${line.length} ${line}`).join(''),
].map((text) => Buffer.from(`\x07${text}`));

const log = new RecordParser();
const scope = {
  resource: resourceFromAttributes({ 'service.name': 'haproxy' }),
  instrumentationScope: { name: 'haproxy-otel-spoa', version: '0.0.0' },
};
const own = new OtlpSpans(scope);
const readable = new ReadableSpans(scope);

const [whole, cut] = [new Parts(), new Parts()];

/** @param push gives all bytes of a connection to a splitter */
function split(parts, push) {
  const splitter = new RecordSplitter();
  parts.clear();
  try {
    push((chunk) => {
      splitter.push(chunk, parts.add);
      check(splitter.pending <= MAX_RECORD_BYTES + chunk.length, 'more is held than one record');
    });
    parts.end = String(splitter.pending);
  } catch (error) {
    // What its message quotes is what has come so far.
    if (!(error instanceof FramingError)) throw error;
    parts.end = 'refused';
  }
}

/** Reads the record in `bytes[start, end)`, where it is between others. */
function read(bytes, start, end) {
  check(end > start, 'a record of no bytes');
  check(droppedByRing(bytes, start, end) >= 0, 'fewer than no records were dropped');
  otherVersion(bytes, start, end);
  log.isStopping(bytes, start, end);
  const record = log.view(bytes, start, end);
  if (record?.hop === undefined) return;
  writeSpans(own, record, record.hop);
  writeSpans(readable, record, record.hop);
  const batch = own.finishRequest();
  const stock = ProtobufTraceSerializer.serializeRequest(readable.drain());
  const [ours, theirs] = [batch.bytes, stock].map((each) => text(decodeSpans(each)));
  own.recycle(batch);
  check(ours === theirs, `spans differ:\n${ours}\n${theirs}`);
}

/** Without what the agent itself wrote into the line as it stands in the span: the SDK reads it once more. */
const text = (spans) =>
  JSON.stringify(spans, (key, each) => {
    if (key === 'traceState') return undefined;
    return typeof each === 'bigint' ? `${each}n` : each;
  });

export const fuzz = target((data) => {
  split(whole, (push) => push(data.subarray(1)));
  split(cut, (push) => pushInChunks(data, 1, data[0], push));
  check(whole.equals(cut), 'records depend on chunks');
  whole.forEach(read);
});
