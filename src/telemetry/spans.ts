import {
  type Attributes,
  createTraceState,
  type HrTime,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
} from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import type { Hop } from '../context/hop.ts';
import type { HopRecord } from '../records/record.ts';
import { type Outcome, outcomeOf } from '../records/termination.ts';
import { clientAttributes, serverAttributes, spanMethod } from './attributes.ts';

export type SpanScope = {
  readonly resource: Resource;
  readonly instrumentationScope: { readonly name: string; readonly version: string };
};

/**
 * The spans of one hop: the SERVER span always, the CLIENT span where a server was tried.
 *
 * @param hop the record's own, or one made up for a request that never reached the agent
 */
export function spansOf(record: HopRecord, hop: Hop, scope: SpanScope): ReadableSpan[] {
  const outcome = outcomeOf(
    record.terminationState,
    record.server !== undefined,
    record.phases.queue !== undefined,
  );
  const server = serverSpan(record, hop, outcome, scope);
  return outcome.triedServer ? [server, clientSpan(record, hop, outcome, scope)] : [server];
}

function serverSpan(record: HopRecord, hop: Hop, outcome: Outcome, scope: SpanScope): ReadableSpan {
  const status = record.statusCode ?? 0;
  const failed = outcome.fault !== 'client' && (status >= 500 || outcome.fault !== 'none');
  const errorType = outcome.cause ?? (status >= 500 ? String(status) : undefined);
  const method = spanMethod(record);
  return readable(scope, {
    name: record.route === undefined ? method : `${method} ${record.route}`,
    kind: SpanKind.SERVER,
    context: spanContext(record, hop, hop.spanId),
    parent:
      hop.parentId === undefined
        ? undefined
        : { ...spanContext(record, hop, hop.parentId), isRemote: true },
    start: record.start,
    end: record.end,
    failed,
    attributes: serverAttributes(record, errorType),
  });
}

function clientSpan(record: HopRecord, hop: Hop, outcome: Outcome, scope: SpanScope): ReadableSpan {
  // Only a status that came with response headers is the server's; any other is HAProxy's own.
  const status = record.phases.response === undefined ? undefined : record.statusCode;
  const badStatus = status !== undefined && status >= 400;
  const failed = outcome.fault === 'server' || outcome.fault === 'proxy' || badStatus;
  const errorType = outcome.cause ?? (badStatus ? String(status) : undefined);
  return readable(scope, {
    name: spanMethod(record),
    kind: SpanKind.CLIENT,
    context: spanContext(record, hop, hop.clientSpanId),
    parent: spanContext(record, hop, hop.spanId),
    start: record.clientStart,
    end: record.end,
    failed,
    attributes: clientAttributes(record, errorType, status),
  });
}

function spanContext(record: HopRecord, hop: Hop, spanId: string): SpanContext {
  const context = { traceId: hop.traceId, spanId, traceFlags: hop.traceFlags };
  return record.tracestate === undefined
    ? context
    : { ...context, traceState: createTraceState(record.tracestate) };
}

type SpanData = {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  readonly parent: SpanContext | undefined;
  /** Microseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly failed: boolean;
  readonly attributes: Attributes;
};

function readable(scope: SpanScope, data: SpanData): ReadableSpan {
  return {
    name: data.name,
    kind: data.kind,
    spanContext: () => data.context,
    ...(data.parent === undefined ? {} : { parentSpanContext: data.parent }),
    startTime: hrTime(data.start),
    endTime: hrTime(data.end),
    duration: hrTime(data.end - data.start),
    status: { code: data.failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    attributes: data.attributes,
    links: [],
    events: [],
    ended: true,
    resource: scope.resource,
    instrumentationScope: scope.instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function hrTime(microseconds: number): HrTime {
  const seconds = Math.floor(microseconds / 1e6);
  return [seconds, (microseconds - seconds * 1e6) * 1000];
}
