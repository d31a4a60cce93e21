/** Values by bucket: one count for each bound, and one for what is above. */
export type Buckets = {
  readonly bounds: readonly number[];
  readonly counts: ArrayLike<number>;
  readonly sum: number;
};

/** The bucket of a value: that of the first bound which is not below it. */
export function bucketOf(bounds: readonly number[], value: number): number {
  let bucket = 0;
  while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
  return bucket;
}

/**
 * The bucket which the percentile of a share (0.99 is the 99th) is in, and how much of its count is up to there, from 0 to
 * 1; undefined where nothing was counted.
 */
export function percentileOf(
  counts: ArrayLike<number>,
  share: number,
): { readonly bucket: number; readonly within: number } | undefined {
  let total = 0;
  for (let i = 0; i < counts.length; i += 1) total += counts[i] ?? 0;
  let left = share * total;
  for (let bucket = 0; bucket < counts.length; bucket += 1) {
    const count = counts[bucket] ?? 0;
    if (count > 0 && left <= count) return { bucket, within: left / count };
    left -= count;
  }
  return undefined;
}

/** Counts of values by inclusive upper bound, and what OTLP has beside them. Values and bounds in one unit. */
export class Histogram {
  readonly bounds: readonly number[];
  /** One for each bound, and one for what is above. */
  readonly counts: Float64Array;
  sum = 0;
  /** Infinite while there is no value. */
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** @returns the bucket that it fell into */
  record(value: number): number {
    const { counts } = this;
    const bucket = bucketOf(this.bounds, value);
    counts[bucket] = (counts[bucket] as number) + 1;
    this.sum += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    return bucket;
  }

  /** Adds what `other`, of the same bounds, has. */
  add(other: Histogram): void {
    for (let i = 0; i < this.counts.length; i += 1) {
      this.counts[i] = (this.counts[i] ?? 0) + (other.counts[i] ?? 0);
    }
    this.sum += other.sum;
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
  }

  clear(): void {
    this.counts.fill(0);
    this.sum = 0;
    this.min = Number.POSITIVE_INFINITY;
    this.max = Number.NEGATIVE_INFINITY;
  }
}
