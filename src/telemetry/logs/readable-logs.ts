import type { Attributes, SpanContext } from '@opentelemetry/api';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import { type AttributeValue, Double } from '../../records/record.ts';
import type { SpanScope } from '../resource.ts';
import { hrTime } from '../spans/readable-spans.ts';
import type { LogHead, LogSink } from './log-records.ts';

/** Builds the SDK's own log records, for exporters that need them. */
export class ReadableLogs implements LogSink {
  private readonly scope: SpanScope;
  private logs: ReadableLogRecord[] = [];
  private attributes: Attributes = {};

  constructor(scope: SpanScope) {
    this.scope = scope;
  }

  /** The log records since the last call. */
  drain(): ReadableLogRecord[] {
    const { logs } = this;
    this.logs = [];
    return logs;
  }

  begin({ time, observed, severity, eventName, body, span }: LogHead): void {
    this.attributes = {};
    this.logs.push({
      hrTime: hrTime(time),
      hrTimeObserved: hrTime(observed),
      severityNumber: severity.number,
      severityText: severity.text,
      eventName,
      body: typeof body === 'string' ? body : body.buffer.toString('utf8', body.start, body.end),
      ...(span && { spanContext: contextOf(span) }),
      attributes: this.attributes,
      droppedAttributesCount: 0,
      resource: this.scope.resource,
      instrumentationScope: this.scope.instrumentationScope,
    });
  }

  attribute(name: string, value: AttributeValue): void {
    this.attributes[name] = value instanceof Double ? value.value : value;
  }

  end(dropped = 0): void {
    const last = this.logs.at(-1);
    if (dropped === 0 || last === undefined) return;
    this.logs[this.logs.length - 1] = { ...last, droppedAttributesCount: dropped };
  }
}

/** The head is the next hop's before long. */
function contextOf({ traceId, spanId, traceFlags }: SpanContext): SpanContext {
  return { traceId, spanId, traceFlags };
}
