import { duration, type FieldValues, positive } from './field-values.ts';
import { Field } from './table.ts';

/** Headers that came within this many milliseconds, the resolution of the timers, came at once. */
const AT_ONCE = 1;

/**
 * The time at which the headers were complete is known to the microsecond, and closest where they came
 * at once. Otherwise HAProxy from 3.0 on has the time of the first byte, and before the accept date and two
 * durations, all in whole milliseconds.
 */
export function requestStart(
  values: FieldValues,
  received: number | undefined,
  request: number | undefined,
  heldUp: number | undefined,
): number | undefined {
  const receiving = request === undefined ? undefined : request - (heldUp ?? 0) / 1000;
  if (received !== undefined && receiving !== undefined && receiving < AT_ONCE) return received;
  const start = positive(values, Field.start) ?? startByTimers(values) ?? received;
  return start !== undefined && received !== undefined ? Math.min(start, received) : start;
}

/**
 * Microseconds that the request waited for this agent. Between the two times that are known to the microsecond others may
 * have held it up as well: where somebody can, HAProxy's own measure, in whole milliseconds, bounds what was this
 * agent's.
 */
export function agentWait(values: FieldValues, heldUp: number | undefined): number | undefined {
  const measured = values.number(Field.wait);
  if (measured === undefined) return heldUp;
  if (measured < 0) return undefined;
  const atLeast = measured * 1000;
  return heldUp === undefined || heldUp > atLeast + 1000 ? atLeast : heldUp;
}

function startByTimers(values: FieldValues): number | undefined {
  const accepted = positive(values, Field.accepted);
  if (accepted === undefined) return undefined;
  const handshake = duration(values, Field.Th) ?? 0;
  const idle = duration(values, Field.Ti) ?? 0;
  return (accepted + handshake + idle) * 1000;
}

/** Of a connection: its rules are run as soon as it is there, and know the time to the microsecond. */
export function acceptedAt(
  values: FieldValues,
  received: number | undefined,
  handshake: number | undefined,
): number | undefined {
  if (received !== undefined) return received - (handshake ?? 0) * 1000;
  const accepted = positive(values, Field.accepted);
  return accepted === undefined ? undefined : accepted * 1000;
}

/**
 * When the rules of the request were run: the agent's answer is among the last of them, and known to the
 * microsecond; only rules that last longer than the timers' resolution make a difference.
 */
export function turnedToServer(
  start: number,
  answered: number | undefined,
  request: number | undefined,
): number {
  const byTimer = start + (request ?? 0) * 1000;
  return answered === undefined || byTimer - answered > 1000 ? byTimer : answered;
}
