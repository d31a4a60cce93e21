import { percentileOf } from '../histogram.ts';
import { LATENCY_BOUNDS, type MintSnapshot } from './mint-snapshot.ts';
import { SLOTS } from './series.ts';
import type { AdminSources } from './sources.ts';

/** What was counted when a slot began. */
type Mark = {
  readonly slot: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly mint: MintSnapshot;
  /** Without those of tail sampling, which are counted as sampled ones are. */
  readonly unsampled: number;
};

/** The window of the latest figures, in slots: one minute. */
const MINUTE = 12;
/** The window of rates, in slots. */
const RATE = 2;

/** Stores totals per slot, to report what came in the last minutes. */
export class History {
  private readonly sources: AdminSources;
  private readonly marks: Mark[] = [];

  constructor(sources: AdminSources) {
    this.sources = sources;
  }

  /** To be called at least once a slot. */
  tick(slot: number, now: number): void {
    if (this.marks.at(-1)?.slot === slot) return;
    this.marks.push(this.mark(slot, now));
    if (this.marks.length > SLOTS) this.marks.shift();
  }

  /**
   * Requests minted, and records neither sampled nor tail-sampled, in each slot, the oldest first, the last one still
   * filling.
   */
  slots(slot: number, now: number): { requests: number[]; unsampled: number[] } {
    const requests = new Array<number>(SLOTS).fill(0);
    const unsampled = new Array<number>(SLOTS).fill(0);
    const marks = [...this.marks, this.mark(slot + 1, now)];
    marks.forEach((mark, i) => {
      const next = marks[i + 1];
      const place = SLOTS - 1 - (slot - mark.slot);
      if (next === undefined || place < 0) return;
      requests[place] = next.mint.notifies - mark.mint.notifies;
      unsampled[place] = next.unsampled - mark.unsampled;
    });
    return { requests, unsampled };
  }

  /** Requests a second, over the last seconds. */
  rate(slot: number, now: number): number {
    const from = this.since(slot, RATE);
    if (from === undefined || now <= from.at) return 0;
    return ((this.sources.mint().notifies - from.mint.notifies) * 1000) / (now - from.at);
  }

  /** Milliseconds, over the last minute; null where nothing was minted. An upper bound: that of the bucket. */
  latency(slot: number): { p50: number | null; p99: number | null } {
    const before = this.since(slot, MINUTE)?.mint.latency;
    const counts = this.sources.mint().latency.map((count, i) => count - (before?.[i] ?? 0));
    return { p50: bound(counts, 0.5), p99: bound(counts, 0.99) };
  }

  private since(slot: number, slots: number): Mark | undefined {
    return this.marks.find((mark) => mark.slot > slot - slots);
  }

  private mark(slot: number, at: number): Mark {
    const { unsampled, kept } = this.sources.records;
    return { slot, at, mint: this.sources.mint(), unsampled: unsampled - kept };
  }
}

function bound(counts: readonly number[], share: number): number | null {
  const found = percentileOf(counts, share);
  if (found === undefined) return null;
  return (LATENCY_BOUNDS[found.bucket] ?? Number.POSITIVE_INFINITY) * 1000;
}
