import { ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import type { AttributeValue, LineBytes } from '../records/record.ts';
import { type Batch, encodeHead, RequestTag } from './batch.ts';
import { KeyValueWriter } from './key-values.ts';
import { LastAttributes } from './last-attributes.ts';
import type { LogHead, LogSink } from './log-records.ts';
import { fieldContent, fieldEnd, ProtobufWriter, varintBytes } from './protobuf.ts';
import { ReadableLogs } from './readable-logs.ts';
import type { SpanScope } from './readable-spans.ts';

/** Wire types and field numbers of opentelemetry-proto's logs.proto, as tag bytes. */
const Tag = {
  TIME: 0x09,
  SEVERITY_NUMBER: 0x10,
  SEVERITY_TEXT: 0x1a,
  BODY: 0x2a,
  ATTRIBUTES: 0x32,
  DROPPED_ATTRIBUTES_COUNT: 0x38,
  FLAGS: 0x45,
  TRACE_ID: 0x4a,
  SPAN_ID: 0x52,
  OBSERVED_TIME: 0x59,
  EVENT_NAME: 0x62,
  ANY_STRING: 0x0a,
} as const;

/** Tag and length of the two messages around the log records, at most. */
const MAX_LENGTHS = 2 * 6;

export type LogMark = { readonly logs: number; readonly end: number };

/**
 * Writes log records as an OTLP ExportLogsServiceRequest, as `OtlpSpans` does spans: the messages around them have the
 * same field numbers.
 */
export class OtlpLogs implements LogSink {
  /** Log records that were written since the last `take`. */
  count = 0;
  private readonly resource: Buffer;
  private readonly scope: Buffer;
  private readonly out: ProtobufWriter;
  private readonly keyValues: KeyValueWriter;
  private readonly attributes = new LastAttributes();
  private start = 0;
  /** Counts the buffers that were taken. */
  private generation = 0;

  constructor(scope: SpanScope) {
    ({ resource: this.resource, scope: this.scope } = encodeScope(scope));
    this.out = new ProtobufWriter(this.resource.length + this.scope.length + MAX_LENGTHS);
    this.keyValues = new KeyValueWriter(this.out);
  }

  /** Bytes of a request with these log records, or a few more. */
  get size(): number {
    return this.out.position;
  }

  /** What `take` can be asked for later: the log records so far. */
  mark(): LogMark {
    return { logs: this.count, end: this.out.position };
  }

  /** The request with all log records since the last call, or those up to a mark; the rest is in the next one. */
  take({ logs, end }: LogMark = this.mark()): Batch {
    const head = encodeHead(this.resource, this.scope, end - this.out.headRoom);
    const batch = { bytes: this.out.take(head, end), items: logs };
    this.count -= logs;
    this.generation += 1;
    return batch;
  }

  /** Takes back what `take` handed over, when nobody needs its bytes any more. */
  giveBack({ bytes }: Batch): void {
    this.out.giveBack(bytes);
  }

  begin({ time, observed, severity, eventName, body, span }: LogHead): void {
    const { out } = this;
    this.count += 1;
    out.byte(RequestTag.SCOPE_SPANS_SPANS);
    this.start = out.beginMessage();
    out.nanoseconds(Tag.TIME, time);
    out.nanoseconds(Tag.OBSERVED_TIME, observed);
    out.byte(Tag.SEVERITY_NUMBER);
    out.byte(severity.number);
    out.text(Tag.SEVERITY_TEXT, severity.text);
    out.text(Tag.EVENT_NAME, eventName);
    if (span !== undefined) {
      out.hex(Tag.TRACE_ID, span.traceId);
      out.hex(Tag.SPAN_ID, span.spanId);
      out.byte(Tag.FLAGS);
      out.fixed32(span.traceFlags);
    }
    if (typeof body === 'string') this.text(body);
    else this.line(body);
    this.attributes.begin(out.position, this.generation);
  }

  attribute(name: string, value: AttributeValue): void {
    const { attributes, out } = this;
    if (attributes.repeats(name, value, out.position)) return;
    this.repeat();
    this.keyValues.write(Tag.ATTRIBUTES, name, value);
    attributes.wrote(name, value, out.position);
  }

  end(dropped = 0): void {
    this.repeat();
    this.attributes.end();
    if (dropped > 0) {
      this.out.byte(Tag.DROPPED_ATTRIBUTES_COUNT);
      this.out.varint(dropped);
    }
    const moved = this.out.endMessage(this.start);
    if (moved !== 0) this.attributes.forget();
  }

  /** Writes again what the last log record had too. */
  private repeat(): void {
    const { runStart, runLength } = this.attributes;
    if (runLength === 0) return;
    this.out.copyWithin(runStart, runLength);
    this.attributes.runLength = 0;
  }

  private text(body: string): void {
    this.out.byte(Tag.BODY);
    const any = this.out.beginMessage();
    this.out.text(Tag.ANY_STRING, body);
    this.out.endMessage(any);
  }

  private line({ buffer, start, end }: LineBytes): void {
    const { out } = this;
    const length = end - start;
    out.byte(Tag.BODY);
    out.varint(1 + varintBytes(length) + length);
    out.byte(Tag.ANY_STRING);
    out.varint(length);
    out.raw(buffer.subarray(start, end));
  }
}

/**
 * The encoded `resource` and `scope` fields, cut out of what the SDK makes of a request with one log record: in
 * ResourceLogs and in ScopeLogs they are the first field.
 */
function encodeScope(scope: SpanScope): { resource: Buffer; scope: Buffer } {
  const logs = new ReadableLogs(scope);
  logs.begin({
    time: 0,
    observed: 0,
    severity: { number: 0, text: '' },
    eventName: 'haproxy.message',
    body: '',
    span: undefined,
  });
  const encoded = ProtobufLogsSerializer.serializeRequest(logs.take());
  if (encoded === undefined) throw new Error('the resource cannot be encoded');
  const request = Buffer.from(encoded);
  const resourceLogs = fieldContent(request, 0);
  const scopeLogsAt = fieldEnd(request, resourceLogs);
  const scopeLogs = fieldContent(request, scopeLogsAt);
  return {
    resource: request.subarray(resourceLogs, scopeLogsAt),
    scope: request.subarray(scopeLogs, fieldEnd(request, scopeLogs)),
  };
}
