/** Counts of values by inclusive upper bound, and what OTLP has beside them. Values and bounds in one unit. */
export class ExplicitHistogram {
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
    const { bounds, counts } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
    counts[bucket] = (counts[bucket] as number) + 1;
    this.sum += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    return bucket;
  }

  /** Adds what `other`, of the same bounds, has. */
  add(other: ExplicitHistogram): void {
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
