import type { Hop, HopLink } from '../../context/hop.ts';
import { HopView } from '../../context/hop-view.ts';
import type { HopRecord } from '../../records/record.ts';
import {
  answeredErrorType,
  answeredStatus,
  type Outcome,
  outcomeOf,
  sentErrorType,
  sentStatus,
} from '../../records/termination.ts';
import type { AttributeSink, TailPolicy } from '../attributes.ts';
import { connectionAttributes } from './connection-attributes.ts';
import { clientAttributes, serverAttributes, spanMethod } from './http-attributes.ts';

export type SpanHead = {
  readonly name: string;
  readonly kind: 'SERVER' | 'CLIENT';
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly tracestate: string | undefined;
  readonly parent: SpanParent | undefined;
  /** A span in another trace, on the other side of the network. */
  readonly link: HopLink | undefined;
  /** Microseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  /** The status is Error, and unset otherwise. */
  readonly failed: boolean;
  /** The ids as they stand in a line, where they do: of a SERVER span its own and its parent's, of a CLIENT span likewise. */
  readonly hopBytes?: HopView | undefined;
  /** Spans that have it in common, and their kind, are alike in most of their attributes. */
  readonly likeness?: unknown;
};

/** `remote` is a parent on the other side of the network. */
type SpanParent = { readonly spanId: string; readonly remote: boolean };

/**
 * Receives spans, whose heads are valid during `begin` only: each begins, has its attributes, and ends before the
 * next begins.
 */
export type SpanSink = AttributeSink & {
  begin(head: SpanHead): void;
  /** @param dropped number of attributes that the span had beside these; 0 by default */
  end(dropped?: number): void;
};

/**
 * Writes the spans of one hop: of a request the SERVER span always, and the CLIENT span where a server was
 * tried; of a connection one span.
 *
 * @param hop the record's own, or one made up where the record has none
 * @param tailPolicy for a hop of a trace that was not sampled: the policy that it is exported by
 * @returns how many spans there were
 */
export function writeSpans(
  sink: SpanSink,
  record: HopRecord,
  hop: Hop,
  tailPolicy?: TailPolicy,
): number {
  const outcome = writeFirstSpan(sink, record, hop, tailPolicy);
  if (record.kind !== 'http' || !outcome.triedServer) return 1;
  writeClientSpan(sink, record, hop, outcome, tailPolicy);
  return 2;
}

/** Writes the span that every hop has: the SERVER span of a request, or that of a connection. */
export function writeFirstSpan(
  sink: SpanSink,
  record: HopRecord,
  hop: Hop,
  tailPolicy: TailPolicy | undefined,
): Outcome {
  const outcome = outcomeOf(record);
  if (record.kind === 'http') writeServerSpan(sink, record, hop, outcome, tailPolicy);
  else writeConnectionSpan(sink, record, hop, outcome, tailPolicy);
  return outcome;
}

function writeServerSpan(
  sink: SpanSink,
  record: HopRecord,
  hop: Hop,
  outcome: Outcome,
  tailPolicy: TailPolicy | undefined,
): void {
  const status = sentStatus(record, outcome);
  const broken = status !== undefined && status >= 500;
  const errorType = sentErrorType(outcome, status);
  const method = spanMethod(record);
  const { route } = record;
  SERVER_HEAD.name = route === undefined ? method : `${method} ${route}`;
  SERVER_HEAD.failed = outcome.fault === 'server' || outcome.fault === 'proxy' || broken;
  SERVER_HEAD.start = record.start;
  SERVER_HEAD.tracestate = record.tracestate;
  sink.begin(SERVER_HEAD.of(record, hop));
  serverAttributes(sink, record, hop, { errorType, fault: outcome.fault, status, tailPolicy });
  sink.end();
}

function writeClientSpan(
  sink: SpanSink,
  record: HopRecord,
  hop: Hop,
  outcome: Outcome,
  tailPolicy: TailPolicy | undefined,
): void {
  const status = answeredStatus(record, outcome);
  const badStatus = status !== undefined && status >= 400;
  // Without a cause it is a status that failed the hop, which may be HAProxy's own.
  const broken = outcome.cause !== undefined && outcome.fault !== 'client';
  CLIENT_HEAD.name = spanMethod(record);
  CLIENT_HEAD.failed = broken || badStatus;
  CLIENT_HEAD.start = record.clientStart;
  CLIENT_HEAD.tracestate = record.tracestate;
  sink.begin(CLIENT_HEAD.of(record, hop));
  const errorType = answeredErrorType(outcome, status);
  clientAttributes(sink, record, { errorType, fault: outcome.fault, status, tailPolicy });
  sink.end();
}

/** A span of kind SERVER, as of a request; nobody continues the trace. */
function writeConnectionSpan(
  sink: SpanSink,
  record: HopRecord,
  hop: Hop,
  outcome: Outcome,
  tailPolicy: TailPolicy | undefined,
): void {
  sink.begin({
    name: record.kind === 'tcp' ? `tcp ${record.frontend}` : 'connection error',
    kind: 'SERVER',
    traceId: hop.traceId,
    spanId: hop.spanId,
    traceFlags: hop.traceFlags,
    tracestate: undefined,
    parent: undefined,
    link: undefined,
    start: record.start,
    end: record.end,
    failed: outcome.fault === 'server' || outcome.fault === 'proxy',
  });
  connectionAttributes(sink, record, outcome, tailPolicy);
  sink.end();
}

/** Of the spans of requests: one for all of a kind. */
class RequestHead implements SpanHead {
  readonly kind: SpanHead['kind'];
  name = '';
  tracestate: string | undefined;
  start = 0;
  end = 0;
  failed = false;
  hopBytes: HopView | undefined;
  likeness: unknown;
  private hop: Hop = NO_HOP;

  constructor(kind: SpanHead['kind']) {
    this.kind = kind;
  }

  of(record: HopRecord, hop: Hop): this {
    this.end = record.end;
    this.hop = hop;
    this.hopBytes = hop instanceof HopView ? hop : undefined;
    this.likeness = record.server ?? record.frontend;
    return this;
  }

  get traceId(): string {
    return this.hop.traceId;
  }

  get spanId(): string {
    return this.kind === 'SERVER' ? this.hop.spanId : this.hop.clientSpanId;
  }

  get traceFlags(): number {
    return this.hop.traceFlags;
  }

  get parent(): SpanParent | undefined {
    const { hop } = this;
    if (this.kind === 'CLIENT') return { spanId: hop.spanId, remote: false };
    return hop.parentId === undefined ? undefined : { spanId: hop.parentId, remote: true };
  }

  get link(): HopLink | undefined {
    return this.kind === 'SERVER' ? this.hop.link : undefined;
  }
}

const NO_HOP: Hop = new HopView();
const SERVER_HEAD = new RequestHead('SERVER');
const CLIENT_HEAD = new RequestHead('CLIENT');
