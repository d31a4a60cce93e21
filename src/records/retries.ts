import { duration, type FieldValues, positive } from './field-values.ts';
import type { Phases, Retries } from './record.ts';
import { Field } from './table.ts';

/** The way to a server, as HAProxy's timers have it. */
type ServerPhases = { -readonly [Name in 'queue' | 'retry' | 'connect']: Phases[Name] };

export const NO_RETRIES: Retries = { count: 0, redispatched: false };

/**
 * Reads how often HAProxy tried a server again, and into `phases` how long that took, in milliseconds.
 *
 * HAProxy's timers know the last try only. `%Tw` ends when a server was last chosen: after a retry on another server, or
 * a new choice of the same, it holds the tries before. A retry on the same server without a new choice is in `%Tc`.
 * Where no try came through, there is no `%Tc`.
 *
 * @param rest milliseconds from when HAProxy turned to the servers to the end of it all
 */
export function readRetries(values: FieldValues, phases: ServerPhases, rest: number): Retries {
  const retries = parseRetries(values.text(Field.retries));
  const wait = duration(values, Field.Tw);
  const connect = duration(values, Field.Tc);
  phases.queue = wait;
  phases.retry = undefined;
  phases.connect = connect;
  if (retries.count === 0 || wait === undefined) return retries;
  // `%sq` or `%bq`: it was in a queue. The time there is not known where retries are in the same timer.
  const ahead = positive(values, Field.server_queue) ?? positive(values, Field.backend_queue);
  phases.queue = ahead === undefined ? 0 : undefined;
  if (connect === undefined) {
    phases.retry = Math.max(0, Math.round(rest));
  } else if (retries.redispatched || connect <= wait) {
    phases.retry = wait;
  } else {
    phases.queue = ahead === undefined ? 0 : wait;
    phases.retry = connect;
    phases.connect = undefined;
  }
  return retries;
}

/** `%rc`: a number, with `+` in front when the last retry went to another server. */
function parseRetries(text: string | undefined): Retries {
  if (text === undefined || text === '0') return NO_RETRIES;
  const count = Number(text);
  return {
    count: Number.isInteger(count) && count > 0 ? count : 0,
    redispatched: text.startsWith('+'),
  };
}
