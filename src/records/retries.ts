import type { Phases, Retries } from './record.ts';

/** What HAProxy says about a request's way to a server, in milliseconds where it is a time. */
type Timers = {
  /** `%Tw` */
  readonly wait: number | undefined;
  /** `%Tc` */
  readonly connect: number | undefined;
  /** `%sq` or `%bq` is above zero: somebody was before it in a queue. */
  readonly queued: boolean;
  /** From when HAProxy turned to the servers to the end of it all. */
  readonly rest: number;
};

/**
 * HAProxy's timers know the last try only. `%Tw` ends when a server was last chosen: after a retry on another server, or
 * a new choice of the same, it holds the tries before. A retry on the same server without a new choice is in `%Tc`.
 * Where no try came through, there is no `%Tc`.
 */
export function serverPhases(
  { wait, connect, queued, rest }: Timers,
  { count, redispatched }: Retries,
): Pick<Phases, 'queue' | 'retry' | 'connect'> {
  if (count === 0 || wait === undefined) return { queue: wait, retry: undefined, connect };
  // How long it was in a queue cannot be told where the tries are in the same timer.
  const queue = queued ? undefined : 0;
  if (connect === undefined) return { queue, retry: Math.max(0, Math.round(rest)), connect };
  if (redispatched || connect <= wait) return { queue, retry: wait, connect };
  return { queue: queued ? wait : 0, retry: connect, connect: undefined };
}
