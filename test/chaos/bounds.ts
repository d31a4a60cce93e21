import { VERSION } from '../end-to-end/chain.ts';
import type { Sent } from './account.ts';
import type { Installation } from './installation.ts';

/** HAProxy 2.6 closes its ring's connection in order; later versions lose what they write until they notice a reset. */
const CLOSES_IN_ORDER = VERSION.includes('version 2.6');

/** Records that HAProxy writes in these milliseconds may be in a connection that is gone. */
export const NOTICED_WITHIN = 20;
/** What HAProxy does with a record before it has sent it, in milliseconds. */
export const IN_RING = 100;

/** Hops of so many milliseconds at this rate, and one: of more where this machine is as late as it was in this episode. */
export function hopsIn(milliseconds: number, { rate, lateness }: Installation): number {
  return Math.ceil((rate * (milliseconds + lateness)) / 1000) + 1;
}

/** Where those that a loss may cost are found by `applies`. */
export const NONE: ReadonlySet<string> = new Set();

/** Whether HAProxy may still have had the record at `time`: this machine was as late as it was in the whole episode. */
export function mayBeInRing({ lateness }: Installation, { ended }: Sent, time: number): boolean {
  return (ended ?? time) >= time - IN_RING - lateness;
}

/**
 * Hops that HAProxy writes into a connection of its ring that was reset.
 *
 * @param from when the agent was to end, which it has
 */
export function mayLoseByReset(installation: Installation, from: number): void {
  if (CLOSES_IN_ORDER) return;
  installation.account.mayLose({
    reason: 'written into a ring connection that was reset',
    paths: NONE,
    from: Number.NEGATIVE_INFINITY,
    until: performance.now() + IN_RING + installation.lateness,
    most: hopsIn(NOTICED_WITHIN, installation),
    applies: (sent) => mayBeInRing(installation, sent, from),
  });
}
