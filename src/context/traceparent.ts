/**
 * The `traceparent` header of W3C Trace Context Level 2, read from bytes: only positions and flags are extracted, so
 * that ids are copied once, from the request into the answer.
 */
import { hexDigit } from './hex.ts';

export const TraceFlag = { SAMPLED: 0x01, RANDOM: 0x02 } as const;

/** Flags this version defines; all others must be sent as zero. */
const KNOWN_FLAGS = TraceFlag.SAMPLED | TraceFlag.RANDOM;

export const TRACE_ID_DIGITS = 32;
export const SPAN_ID_DIGITS = 16;

/** `00-` trace-id `-` parent-id `-` flags. */
export const TRACEPARENT_LENGTH = 55;
export const TRACE_ID_OFFSET = 3;
export const PARENT_ID_OFFSET = 36;
export const FLAGS_OFFSET = 53;
/** With dashes where ids and flags are to be written. */
export const EMPTY_TRACEPARENT = `00${'-'.repeat(TRACEPARENT_LENGTH - 2)}`;

const DASH = 0x2d;
const VERSION_FORBIDDEN = 0xff;

/**
 * Checks the header value in `bytes[start, end)`.
 *
 * A higher version is read by the rules of the section "Versioning of traceparent": its first 55
 * characters as version 00, then nothing or a dash.
 *
 * @returns the trace flags that this version knows (0 to 3), or -1 when the header is invalid
 */
export function parseTraceparent(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < TRACEPARENT_LENGTH) return -1;
  const version = hexByte(bytes, start);
  if (version < 0 || version === VERSION_FORBIDDEN) return -1;
  if (length > TRACEPARENT_LENGTH) {
    if (version === 0 || bytes[start + TRACEPARENT_LENGTH] !== DASH) return -1;
  }
  if (
    bytes[start + TRACE_ID_OFFSET - 1] !== DASH ||
    bytes[start + PARENT_ID_OFFSET - 1] !== DASH ||
    bytes[start + FLAGS_OFFSET - 1] !== DASH ||
    !isId(bytes, start + TRACE_ID_OFFSET, TRACE_ID_DIGITS) ||
    !isId(bytes, start + PARENT_ID_OFFSET, SPAN_ID_DIGITS)
  ) {
    return -1;
  }
  const flags = hexByte(bytes, start + FLAGS_OFFSET);
  return flags < 0 ? -1 : flags & KNOWN_FLAGS;
}

/** Whether `bytes[start, end)` are the digits of a trace id. */
export function isTraceId(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === TRACE_ID_DIGITS && isId(bytes, start, TRACE_ID_DIGITS);
}

/** Lower-case hexadecimal digits, not all of them zero. */
function isId(bytes: Uint8Array, start: number, digits: number): boolean {
  let any = 0;
  for (let i = start; i < start + digits; i += 1) {
    const digit = digitAt(bytes, i);
    if (digit > 15) return false;
    any |= digit;
  }
  return any !== 0;
}

/** Two digits as a number, or -1. */
function hexByte(bytes: Uint8Array, position: number): number {
  const high = digitAt(bytes, position);
  const low = digitAt(bytes, position + 1);
  return high > 15 || low > 15 ? -1 : high * 16 + low;
}

function digitAt(bytes: Uint8Array, position: number): number {
  return hexDigit(bytes[position] ?? 0);
}
