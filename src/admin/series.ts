import { percentileOf } from '../histogram.ts';

/** What became of the hops of the last minutes, in slots of a few seconds: rates, errors and durations. */

/** Seconds of a slot, and how many there are: five minutes. */
export const SLOT_SECONDS = 5;
export const SLOTS = 60;

/** Durations by powers of the fourth root of two from 0.05 ms on, to six minutes: percentiles are a fifth off at most. */
const LOWEST_MS = 0.05;
const STEPS_AN_OCTAVE = 4;
const STEPS = 92;

const REQUESTS = 0;
const ERRORS = 1;
const FIRST_STEP = 2;
const WIDTH = FIRST_STEP + STEPS;

type Percentiles = { readonly p50: number; readonly p95: number; readonly p99: number };

/** The oldest slot first; the last one is still filling. `null` where nothing came. */
export type SeriesView = {
  readonly requests: readonly number[];
  readonly errors: readonly number[];
  /** Milliseconds. */
  readonly p50: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
  /** Of all slots together. */
  readonly total: Percentiles & { readonly requests: number; readonly errors: number };
};

/** The slot of a time, in microseconds since the epoch. */
export function slotAt(microseconds: number): number {
  return Math.floor(microseconds / (SLOT_SECONDS * 1e6));
}

/** Memory is fixed: a hop is a few additions. */
export class Series {
  private readonly numbers = new Uint32Array(SLOTS * WIDTH);
  /** The slot, counted from the epoch, that each row holds. */
  private readonly held = new Float64Array(SLOTS).fill(-1);

  /**
   * @param slot of all time, by `slotAt`
   * @param step of the duration, by `stepOf`; undefined where it has no meaning, as of a WebSocket
   */
  add(slot: number, failed: boolean, step: number | undefined): void {
    const own = slot % SLOTS;
    const start = own * WIDTH;
    const { numbers } = this;
    if (this.held[own] !== slot) {
      if ((this.held[own] ?? 0) > slot) return;
      this.held[own] = slot;
      numbers.fill(0, start, start + WIDTH);
    }
    numbers[start + REQUESTS] = (numbers[start + REQUESTS] ?? 0) + 1;
    if (failed) numbers[start + ERRORS] = (numbers[start + ERRORS] ?? 0) + 1;
    if (step === undefined) return;
    const place = start + FIRST_STEP + step;
    numbers[place] = (numbers[place] ?? 0) + 1;
  }

  /** Whether anything came in the slots up to `slot`. */
  isAlive(slot: number): boolean {
    return this.held.some((held) => held > slot - SLOTS);
  }

  /** @param slot the one that is still filling */
  view(slot: number): SeriesView {
    const requests: number[] = [];
    const errors: number[] = [];
    const p50: (number | null)[] = [];
    const p99: (number | null)[] = [];
    const all = new Float64Array(STEPS);
    for (let wanted = slot - SLOTS + 1; wanted <= slot; wanted += 1) {
      const place = ((wanted % SLOTS) + SLOTS) % SLOTS;
      const start = place * WIDTH;
      const held = this.held[place] === wanted;
      const steps = this.numbers.subarray(start + FIRST_STEP, start + WIDTH);
      requests.push(held ? (this.numbers[start + REQUESTS] ?? 0) : 0);
      errors.push(held ? (this.numbers[start + ERRORS] ?? 0) : 0);
      p50.push(held ? percentile(steps, 0.5) : null);
      p99.push(held ? percentile(steps, 0.99) : null);
      if (held) for (let i = 0; i < STEPS; i += 1) all[i] = (all[i] ?? 0) + (steps[i] ?? 0);
    }
    return {
      requests,
      errors,
      p50,
      p99,
      total: {
        requests: sum(requests),
        errors: sum(errors),
        p50: percentile(all, 0.5) ?? 0,
        p95: percentile(all, 0.95) ?? 0,
        p99: percentile(all, 0.99) ?? 0,
      },
    };
  }
}

/** Where a duration is counted: one is counted in several series. */
export function stepOf(milliseconds: number): number {
  if (milliseconds <= LOWEST_MS) return 0;
  return Math.min(STEPS - 1, Math.floor(Math.log2(milliseconds / LOWEST_MS) * STEPS_AN_OCTAVE) + 1);
}

/** Milliseconds, to three digits: within its step in proportion; null where nothing was counted. */
function percentile(steps: ArrayLike<number>, share: number): number | null {
  const found = percentileOf(steps, share);
  if (found === undefined) return null;
  const { bucket, within } = found;
  const lower = bucket === 0 ? 0 : LOWEST_MS * 2 ** ((bucket - 1) / STEPS_AN_OCTAVE);
  const upper = LOWEST_MS * 2 ** (bucket / STEPS_AN_OCTAVE);
  return Number((lower + (upper - lower) * within).toPrecision(3));
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i += 1) total += values[i] ?? 0;
  return total;
}
