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
import { check, inChunks } from './checks.mjs';

const lines = [
  recordLine(1),
  recordLine(2, '02', { status: 503, termination_state: 'SC--', retries: '+3', server: '<NOSRV>' }),
  recordLine(3, '03', {
    target: 'https://shop.example/a?b=%22c\\"d&Signature=x',
    tracestate: 'ot=th:c;rv:1,a=b',
    host: '[2001:db8::1]:8443',
    client_address: '2001:db8::2',
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

function split(chunks) {
  const splitter = new RecordSplitter();
  const seen = [];
  try {
    for (const chunk of chunks) {
      splitter.push(chunk, (buffer, start, end) =>
        seen.push(Buffer.from(buffer.subarray(start, end))),
      );
      check(splitter.pending <= MAX_RECORD_BYTES + chunk.length, 'more is held than one record');
    }
    return { seen, end: splitter.pending };
  } catch (error) {
    // What its message quotes is what has come so far.
    if (error instanceof FramingError) return { seen, end: 'refused' };
    throw error;
  }
}

const hexadecimal = ({ seen, end }) => `${seen.map((record) => record.toString('hex'))} ${end}`;

function read(line) {
  check(droppedByRing(line, 0, line.length) >= 0, 'fewer than no records were dropped');
  otherVersion(line, 0, line.length);
  log.isStopping(line, 0, line.length);
  const record = log.view(line, 0, line.length);
  if (record?.hop === undefined) return;
  writeSpans(own, record, record.hop);
  writeSpans(readable, record, record.hop);
  const batch = own.finishRequest();
  const stock = ProtobufTraceSerializer.serializeRequest(readable.drain());
  const [ours, theirs] = [batch.bytes, stock].map((bytes) => text(decodeSpans(bytes)));
  own.recycle(batch);
  check(ours === theirs, `spans differ:\n${ours}\n${theirs}`);
}

/** Without what the agent itself wrote into the line as it stands in the span: the SDK reads it once more. */
const text = (spans) =>
  JSON.stringify(spans, (key, each) => {
    if (key === 'traceState') return undefined;
    return typeof each === 'bigint' ? `${each}n` : each;
  });

export function fuzz(data) {
  const bytes = data.subarray(1);
  const whole = split([bytes]);
  check(
    hexadecimal(whole) === hexadecimal(split(inChunks(bytes, data[0]))),
    'records depend on chunks',
  );
  for (const line of whole.seen) read(line);
}
