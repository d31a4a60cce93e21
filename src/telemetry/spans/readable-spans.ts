import {
  type Attributes,
  createTraceState,
  type HrTime,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
} from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { type AttributeValue, Double } from '../../records/record.ts';
import type { SpanScope } from '../resource.ts';
import type { SpanHead, SpanSink } from './span-writer.ts';

/** Builds the SDK's own spans, for exporters that need them. */
export class ReadableSpans implements SpanSink {
  private readonly scope: SpanScope;
  private spans: ReadableSpan[] = [];
  private attributes: Attributes = {};

  constructor(scope: SpanScope) {
    this.scope = scope;
  }

  /** The spans since the last call. */
  drain(): ReadableSpan[] {
    const { spans } = this;
    this.spans = [];
    return spans;
  }

  begin(head: SpanHead): void {
    const context = contextOf(head, head.spanId);
    const { parent } = head;
    this.attributes = {};
    this.spans.push({
      name: head.name,
      kind: SpanKind[head.kind],
      spanContext: () => context,
      ...(parent === undefined
        ? {}
        : { parentSpanContext: { ...contextOf(head, parent.spanId), isRemote: parent.remote } }),
      startTime: hrTime(head.start),
      endTime: hrTime(head.end),
      duration: hrTime(head.end - head.start),
      status: { code: head.failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
      attributes: this.attributes,
      links: head.link === undefined ? [] : [{ context: { ...head.link, isRemote: true } }],
      events: [],
      ended: true,
      resource: this.scope.resource,
      instrumentationScope: this.scope.instrumentationScope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    });
  }

  attribute(name: string, value: AttributeValue): void {
    this.attributes[name] = value instanceof Double ? value.value : value;
  }

  end(dropped = 0): void {
    const last = this.spans.at(-1);
    if (dropped === 0 || last === undefined) return;
    this.spans[this.spans.length - 1] = { ...last, droppedAttributesCount: dropped };
  }
}

function contextOf(head: SpanHead, spanId: string): SpanContext {
  const { traceId, traceFlags, tracestate } = head;
  return tracestate === undefined
    ? { traceId, spanId, traceFlags }
    : { traceId, spanId, traceFlags, traceState: createTraceState(tracestate) };
}

/** A time as the SDK has it, of microseconds since the epoch. */
export function hrTime(microseconds: number): HrTime {
  const seconds = Math.floor(microseconds / 1e6);
  return [seconds, (microseconds - seconds * 1e6) * 1000];
}
