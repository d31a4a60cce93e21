import type { LineBytes } from '../../records/record.ts';
import type { LogHead, LogSink } from '../logs/log-records.ts';
import type { SpanScope } from '../resource.ts';
import { LastAttributes } from './last-attributes.ts';
import { OtlpItems } from './otlp-items.ts';
import { varintBytes } from './wire-format.ts';

/** Wire types and field numbers of opentelemetry-proto's logs.proto, as tag bytes. */
const Tag = {
  TIME: 0x09,
  SEVERITY_NUMBER: 0x10,
  SEVERITY_TEXT: 0x1a,
  BODY: 0x2a,
  FLAGS: 0x45,
  TRACE_ID: 0x4a,
  SPAN_ID: 0x52,
  OBSERVED_TIME: 0x59,
  EVENT_NAME: 0x62,
  ANY_STRING: 0x0a,
} as const;

const TAGS = { attributes: 0x32, droppedAttributesCount: 0x38 } as const;

/** Writes log records as an OTLP ExportLogsServiceRequest. */
export class OtlpLogs extends OtlpItems implements LogSink {
  private readonly alike = new LastAttributes();

  constructor(scope: SpanScope) {
    super(scope, TAGS);
  }

  begin({ time, observed, severity, eventName, body, span }: LogHead): void {
    const { out } = this;
    this.beginItem();
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
    this.beginAttributes(this.alike);
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
