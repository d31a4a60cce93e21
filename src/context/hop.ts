import { hexPair } from './hex.ts';
import type { RandomIds } from './ids.ts';
import { SPAN_ID_DIGITS, TRACE_ID_OFFSET, TRACEPARENT_LENGTH } from './traceparent.ts';

/**
 * The value of `txn.otel.hop`: everything that HAProxy stores for the agent between the mint message and the record
 * of the finished hop.
 *
 *     trace-id "-" SERVER span-id "-" trace-flags "-" CLIENT span-id [ "-" parent-id ] [ mark ]
 *     mark: "-h"                                         HAProxy itself minted, the agent did not answer
 *           "-r"                                         HAProxy decided by its own rules, and did not ask the agent
 *           "-d"                                         a caller's debug flag, which B3 and Jaeger pass on
 *           "-l-" trace-id "-" span-id "-" trace-flags   a link to the caller's trace, which is not continued
 *
 * Fixed positions, so that HAProxy can extract ids with `bytes()`: the first 52 characters are what
 * `Server-Timing` wants behind `00-`.
 */
export const HopOffset = {
  TRACE_ID: 0,
  SPAN_ID: 33,
  FLAGS: 50,
  CLIENT_SPAN_ID: 53,
  PARENT_ID: 70,
  /** In a hop without a parent. */
  LINK: 72,
} as const;

/** Without and with a parent. */
export const ROOT_HOP_LENGTH = HopOffset.CLIENT_SPAN_ID + SPAN_ID_DIGITS;
export const CHILD_HOP_LENGTH = HopOffset.PARENT_ID + SPAN_ID_DIGITS;

/** Of a link: a `traceparent` without its version. */
export const LINK_LENGTH = TRACEPARENT_LENGTH - TRACE_ID_OFFSET;

/** What stands behind the ids, if anything. */
export const HopMark = { HAPROXY: '-h', RULES: '-r', DEBUG: '-d', LINK: '-l-' } as const;

/** The ids of one hop: both spans of the load balancer, and the caller's. */
export type Hop = {
  readonly traceId: string;
  /** The SERVER span: HAProxy as the client sees it. */
  readonly spanId: string;
  /** The CLIENT span: HAProxy as the server sees it; the id sent upstream. */
  readonly clientSpanId: string;
  /** The caller's span, absent where this hop started the trace. */
  readonly parentId: string | undefined;
  readonly traceFlags: number;
  /** The agent did not answer: HAProxy itself continued or started the trace. */
  readonly mintedByHaproxy: boolean;
  /** HAProxy decided by its own rules that the hop is not sampled, and did not ask the agent. */
  readonly decidedByHaproxy: boolean;
  /** The caller's span, where its trace was not continued. */
  readonly link: HopLink | undefined;
};

export type HopLink = {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
};

/** Writes the flags and two new span ids into a hop at `target[position]` whose dashes are there already. */
export function writeOwnIds(
  target: DataView,
  position: number,
  flags: number,
  ids: RandomIds,
): void {
  ids.spanId(target, position + HopOffset.SPAN_ID);
  target.setUint16(position + HopOffset.FLAGS, hexPair(flags));
  ids.spanId(target, position + HopOffset.CLIENT_SPAN_ID);
}
