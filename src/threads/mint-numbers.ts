import {
  LATENCY_BOUNDS,
  MINT_NAMES,
  type MintName,
  type MintSnapshot,
} from '../admin/mint-snapshot.ts';
import { bucketOf } from '../histogram.ts';

/**
 * What the mint thread counts, in memory that the telemetry thread reads: no message is sent and nothing waits. The mint
 * thread counts in memory of its own and copies all of it a few times a second.
 */

const BUCKETS = LATENCY_BOUNDS.length + 1;
const FIRST_BUCKET = MINT_NAMES.length;
const SLOTS = FIRST_BUCKET + BUCKETS;
const SLOT = Object.fromEntries(MINT_NAMES.map((name, slot) => [name, slot])) as Record<
  MintName,
  number
>;
const BOUNDS_MS = LATENCY_BOUNDS.map((seconds) => seconds * 1000);

/** Ahead of the numbers, aligned to their size: a sequence number that is odd during a write. */
const HEAD_BYTES = 8;

/** Behind the numbers, one that is written with each chunk: records follow within a millisecond. */
const LIVE_BYTES = 8;

/** The mint thread's side. */
export class MintNumbers {
  readonly shared = new SharedArrayBuffer(HEAD_BYTES + SLOTS * 8 + LIVE_BYTES);
  private readonly sequence = new Int32Array(this.shared, 0, 1);
  private readonly target = new Float64Array(this.shared, HEAD_BYTES, SLOTS);
  private readonly live = new Float64Array(this.shared, HEAD_BYTES + SLOTS * 8, 1);
  private readonly own = new Float64Array(SLOTS);

  add(name: MintName, value = 1): void {
    const slot = SLOT[name];
    this.own[slot] = (this.own[slot] ?? 0) + value;
  }

  set(name: MintName, value: number): void {
    this.own[SLOT[name]] = value;
  }

  /**
   * All ACKs of a chunk leave in one write, so each NOTIFY in it took as long as the whole chunk: one
   * measurement is exact for all of them.
   *
   * @param minted requests so far
   */
  answered(notifies: number, milliseconds: number, minted: number): void {
    const { own } = this;
    this.live[0] = minted;
    const slot = FIRST_BUCKET + bucketOf(BOUNDS_MS, milliseconds);
    own[slot] = (own[slot] ?? 0) + notifies;
    own[SLOT.notifies] = (own[SLOT.notifies] ?? 0) + notifies;
    own[SLOT.latencySum] = (own[SLOT.latencySum] ?? 0) + notifies * milliseconds;
  }

  /** Makes visible what was counted so far. The sequence number is odd while this is under way. */
  publish(now: number): void {
    this.set('publishedAt', now);
    Atomics.add(this.sequence, 0, 1);
    this.target.set(this.own);
    Atomics.add(this.sequence, 0, 1);
  }
}

/** Writing takes less than a microsecond: more attempts than this mean that the writer died in it. */
const MAX_ATTEMPTS = 1_000;

/** What was published last, as one consistent whole. */
export function readMintNumbers(shared: SharedArrayBuffer): MintSnapshot {
  const sequence = new Int32Array(shared, 0, 1);
  const source = new Float64Array(shared, HEAD_BYTES, SLOTS);
  const copy = new Float64Array(SLOTS);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const before = Atomics.load(sequence, 0);
    copy.set(source);
    if (before % 2 === 0 && Atomics.load(sequence, 0) === before) break;
  }
  const numbers = Object.fromEntries(MINT_NAMES.map((name, slot) => [name, copy[slot] ?? 0]));
  return {
    ...(numbers as Record<MintName, number>),
    latency: [...copy.subarray(FIRST_BUCKET)],
    minted: new Float64Array(shared, HEAD_BYTES + SLOTS * 8, 1)[0] ?? 0,
  };
}
