// What does it cost to make the two spans of a hop of its line, as OTLP, beside the SDK's serializer? Of one backend,
// and of four that take turns.
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { RecordParser } from '../dist/records/record-parser.js';
import { OtlpSpans } from '../dist/telemetry/otlp/otlp-spans.js';
import { ReadableSpans } from '../dist/telemetry/spans/readable-spans.js';
import { writeSpans } from '../dist/telemetry/spans/span-writer.js';
import { recordLine } from './inputs.mjs';
import { measure } from './micro.mjs';

const TIMES = 256;
const log = new RecordParser();
const plain = Array.from({ length: TIMES }, (_, i) => Buffer.from(recordLine(i)));
const turns = plain.map((line, i) =>
  Buffer.from(line.toString().replace(' app app1 ', ` app${i % 4} app${i % 4} `)),
);
const scope = {
  resource: resourceFromAttributes({ 'service.name': 'haproxy', 'host.name': 'lb1' }),
  instrumentationScope: { name: 'haproxy-otel-spoa', version: '0.0.0' },
};
const own = new OtlpSpans(scope);
const readable = new ReadableSpans(scope);
let bytes = 0;

function tell(sink, lines) {
  for (const line of lines) {
    const record = log.view(line, 0, line.length);
    writeSpans(sink, record, record.hop);
  }
}

function encode(lines) {
  tell(own, lines);
  const batch = own.finishRequest();
  bytes += batch.bytes.length;
  own.recycle(batch);
}

export const results = measure(import.meta.url, TIMES, {
  'encode: both spans of a hop, from its line': () => encode(plain),
  'encode: the same, backends that take turns': () => encode(turns),
  "encode: the same by the SDK's serializer": () => {
    tell(readable, plain);
    bytes += ProtobufTraceSerializer.serializeRequest(readable.drain()).length;
  },
});
if (bytes === 0) throw new Error('nothing was encoded');
