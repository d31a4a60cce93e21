// What does it cost to encode the two spans of a hop as OTLP, beside the SDK's serializer?
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AccessLog } from '../dist/records/access-log.js';
import { OtlpSpans } from '../dist/telemetry/otlp-spans.js';
import { ReadableSpans } from '../dist/telemetry/readable-spans.js';
import { tellSpans } from '../dist/telemetry/spans.js';
import { recordLine } from './inputs.mjs';
import { measure } from './micro.mjs';

const TIMES = 256;
const log = new AccessLog();
const records = Array.from({ length: TIMES }, (_, i) => {
  const line = Buffer.from(recordLine(i));
  return log.parse(line, 0, line.length);
});
const scope = {
  resource: resourceFromAttributes({ 'service.name': 'haproxy', 'host.name': 'lb1' }),
  instrumentationScope: { name: 'haproxy-otel-spoa', version: '0.0.0' },
};
const own = new OtlpSpans(scope);
const readable = new ReadableSpans(scope);
let bytes = 0;

export const results = measure(import.meta.url, TIMES, {
  'encode: both spans of a hop': () => {
    for (const record of records) tellSpans(own, record, record.hop);
    bytes += own.take().bytes.length;
  },
  "encode: the same by the SDK's serializer": () => {
    for (const record of records) tellSpans(readable, record, record.hop);
    bytes += ProtobufTraceSerializer.serializeRequest(readable.take()).length;
  },
});
if (bytes === 0) throw new Error('nothing was encoded');
