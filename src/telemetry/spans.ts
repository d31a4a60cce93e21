import type { Hop } from '../context/hop.ts';
import type { HopRecord } from '../records/record.ts';
import { type Outcome, outcomeOf } from '../records/termination.ts';
import {
  type AttributeSink,
  clientAttributes,
  serverAttributes,
  spanMethod,
} from './attributes.ts';

export type SpanHead = {
  readonly name: string;
  readonly kind: 'SERVER' | 'CLIENT';
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly tracestate: string | undefined;
  readonly parent: SpanParent | undefined;
  /** Microseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  /** The status is Error, and unset otherwise. */
  readonly failed: boolean;
};

/** `remote` is a parent on the other side of the network. */
export type SpanParent = { readonly spanId: string; readonly remote: boolean };

/** Takes spans: each begins, has its attributes, and ends before the next begins. */
export type SpanSink = AttributeSink & {
  begin(head: SpanHead): void;
  end(): void;
};

/**
 * Tells the spans of one hop: the SERVER span always, the CLIENT span where a server was tried.
 *
 * @param hop the record's own, or one made up where the record has none
 * @returns how many spans there were
 */
export function tellSpans(sink: SpanSink, record: HopRecord, hop: Hop): number {
  const outcome = outcomeOf(
    record.terminationState,
    record.server !== undefined,
    record.phases.queue !== undefined,
  );
  tellServerSpan(sink, record, hop, outcome);
  if (!outcome.triedServer) return 1;
  tellClientSpan(sink, record, hop, outcome);
  return 2;
}

function tellServerSpan(sink: SpanSink, record: HopRecord, hop: Hop, outcome: Outcome): void {
  const status = record.statusCode ?? 0;
  const errorType = outcome.cause ?? (status >= 500 ? String(status) : undefined);
  const method = spanMethod(record);
  sink.begin({
    name: record.route === undefined ? method : `${method} ${record.route}`,
    kind: 'SERVER',
    traceId: hop.traceId,
    spanId: hop.spanId,
    traceFlags: hop.traceFlags,
    tracestate: record.tracestate,
    parent: hop.parentId === undefined ? undefined : { spanId: hop.parentId, remote: true },
    start: record.start,
    end: record.end,
    failed: serverFailed(record, status, outcome),
  });
  serverAttributes(sink, record, hop, errorType);
  sink.end();
}

/** A 5xx that HAProxy itself logs for a client that left is no failure; one that a server sent is. */
function serverFailed(record: HopRecord, status: number, { fault }: Outcome): boolean {
  if (fault === 'server' || fault === 'proxy') return true;
  return status >= 500 && (fault === 'none' || record.phases.response !== undefined);
}

function tellClientSpan(sink: SpanSink, record: HopRecord, hop: Hop, outcome: Outcome): void {
  // Only a status that came with response headers is the server's; any other is HAProxy's own.
  const status = record.phases.response === undefined ? undefined : record.statusCode;
  const badStatus = status !== undefined && status >= 400;
  sink.begin({
    name: spanMethod(record),
    kind: 'CLIENT',
    traceId: hop.traceId,
    spanId: hop.clientSpanId,
    traceFlags: hop.traceFlags,
    tracestate: record.tracestate,
    parent: { spanId: hop.spanId, remote: false },
    start: record.clientStart,
    end: record.end,
    failed: outcome.fault === 'server' || outcome.fault === 'proxy' || badStatus,
  });
  const errorType = outcome.cause ?? (badStatus ? String(status) : undefined);
  clientAttributes(sink, record, errorType, status);
  sink.end();
}
