import { hexDigit, hexPair } from './hex.ts';
import type { RandomIds } from './ids.ts';
import {
  SPAN_ID_DIGITS,
  TRACE_ID_DIGITS,
  TRACE_ID_OFFSET,
  TRACEPARENT_LENGTH,
} from './traceparent.ts';

const DASH = 0x2d;

/**
 * The value of `txn.otel.hop`: everything that HAProxy keeps for the agent between the mint message
 * and the record of the finished hop.
 *
 *     trace-id "-" SERVER span-id "-" trace-flags "-" CLIENT span-id [ "-" parent-id ] [ mark ]
 *     mark: "-h"                                         HAProxy itself minted, the agent did not answer
 *           "-r"                                         HAProxy decided by its own rules, and did not ask the agent
 *           "-d"                                         a caller's debug flag, which B3 and Jaeger pass on
 *           "-l-" trace-id "-" span-id "-" trace-flags   a link to the caller's trace, which is not continued
 *
 * Fixed places, so that HAProxy can cut ids out with `bytes()`: the first 52 characters are what
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

export const DEBUG_MARK = '-d';
export const LINK_MARK = '-l-';
const HAPROXY_MARK = '-h';
const RULES_MARK = '-r';

const MARKS: readonly string[] = ['', HAPROXY_MARK, RULES_MARK, DEBUG_MARK];

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

/** Undefined for anything but a well-formed hop. */
export function parseHop(text: string): Hop | undefined {
  const isChild = text.length >= CHILD_HOP_LENGTH && text[ROOT_HOP_LENGTH + 1] !== LINK_MARK[1];
  const length = isChild ? CHILD_HOP_LENGTH : ROOT_HOP_LENGTH;
  if (!isWellFormed(text, length)) return undefined;
  const mark = text.slice(length);
  const link = mark.startsWith(LINK_MARK) ? parseLink(mark.slice(LINK_MARK.length)) : undefined;
  if (link === undefined && !MARKS.includes(mark)) {
    return undefined;
  }
  const { SPAN_ID, CLIENT_SPAN_ID, PARENT_ID, FLAGS } = HopOffset;
  return {
    traceId: text.slice(0, TRACE_ID_DIGITS),
    spanId: text.slice(SPAN_ID, SPAN_ID + SPAN_ID_DIGITS),
    clientSpanId: text.slice(CLIENT_SPAN_ID, CLIENT_SPAN_ID + SPAN_ID_DIGITS),
    parentId: isChild ? text.slice(PARENT_ID, PARENT_ID + SPAN_ID_DIGITS) : undefined,
    traceFlags: hexDigit(text.charCodeAt(FLAGS)) * 16 + hexDigit(text.charCodeAt(FLAGS + 1)),
    mintedByHaproxy: mark === HAPROXY_MARK,
    decidedByHaproxy: mark === RULES_MARK,
    link,
  };
}

/** Whether digits and dashes are where they belong in the first `length` characters. */
function isWellFormed(text: string, length: number): boolean {
  if (text.length < length) return false;
  for (let i = 0; i < length; i += 1) {
    const isSeparator =
      i === HopOffset.SPAN_ID - 1 ||
      i === HopOffset.FLAGS - 1 ||
      i === HopOffset.CLIENT_SPAN_ID - 1 ||
      i === HopOffset.PARENT_ID - 1;
    const code = text.charCodeAt(i);
    if (isSeparator ? code !== DASH : hexDigit(code) > 15) return false;
  }
  return true;
}

const LINK = /^([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

function parseLink(text: string): HopLink | undefined {
  const [, traceId, spanId, flags] = LINK.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
}
