import { type RandomIds, writeHexByte } from './ids.ts';
import { SPAN_ID_DIGITS, TRACE_ID_DIGITS } from './traceparent.ts';

const DASH = 0x2d;

/**
 * The value of `txn.otel.hop`: everything that HAProxy keeps for the agent between the mint message
 * and the record of the finished hop.
 *
 *     trace-id "-" SERVER span-id "-" trace-flags "-" CLIENT span-id [ "-" parent-id ] [ "-h" ]
 *
 * The last part marks a hop that HAProxy minted itself because the agent did not answer.
 * Fixed places, so that HAProxy can cut ids out with `bytes()`: the first 52 characters are what
 * `Server-Timing` wants behind `00-`.
 */
export const HopOffset = {
  TRACE_ID: 0,
  SPAN_ID: 33,
  FLAGS: 50,
  CLIENT_SPAN_ID: 53,
  PARENT_ID: 70,
} as const;

/** Without and with a parent. */
export const ROOT_HOP_LENGTH = HopOffset.CLIENT_SPAN_ID + SPAN_ID_DIGITS;
export const CHILD_HOP_LENGTH = HopOffset.PARENT_ID + SPAN_ID_DIGITS;

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
};

/**
 * Writes what stands between the trace id, which is there already, and the parent: the flags and two new
 * span ids, at `target[position]`.
 */
export function writeOwnIds(target: Buffer, position: number, flags: number, ids: RandomIds): void {
  target[position + HopOffset.SPAN_ID - 1] = DASH;
  ids.spanId(target, position + HopOffset.SPAN_ID);
  target[position + HopOffset.FLAGS - 1] = DASH;
  writeHexByte(target, position + HopOffset.FLAGS, flags);
  target[position + HopOffset.CLIENT_SPAN_ID - 1] = DASH;
  ids.spanId(target, position + HopOffset.CLIENT_SPAN_ID);
}

const HOP = new RegExp(
  `^([0-9a-f]{${TRACE_ID_DIGITS}})-([0-9a-f]{${SPAN_ID_DIGITS}})-([0-9a-f]{2})-([0-9a-f]{${SPAN_ID_DIGITS}})(?:-([0-9a-f]{${SPAN_ID_DIGITS}}))?(-h)?$`,
);

/** Undefined for anything but a well-formed hop. */
export function parseHop(text: string): Hop | undefined {
  const match = HOP.exec(text);
  if (match === null) return undefined;
  const [, traceId = '', spanId = '', flags = '', clientSpanId = '', parentId, mark] = match;
  return {
    traceId,
    spanId,
    clientSpanId,
    parentId,
    traceFlags: Number.parseInt(flags, 16),
    mintedByHaproxy: mark !== undefined,
  };
}
