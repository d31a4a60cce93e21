import { Histogram } from '../../histogram.ts';
import { ExemplarReservoir, type MeasuredSpan } from './exemplars.ts';
import { ExponentialHistogram } from './exponential-histogram.ts';
import type { Buckets, HistogramPoint, MetricAttributes, NumberPoint } from './points.ts';

/** When a collection is, and when the one before was, where series begin anew with each: microseconds since the epoch. */
export type Collection = { readonly time: number; readonly before: number | undefined };

/** One counter of an instrument: all that was added since it began, and since the last collection of deltas. */
export class CounterSeries {
  readonly attributes: MetricAttributes;
  /** The first measurement, in microseconds since the epoch. */
  private readonly start: number;
  private current = 0;
  private collected = 0;

  constructor(attributes: MetricAttributes, start: number) {
    this.attributes = attributes;
    this.start = start;
  }

  get total(): number {
    return this.collected + this.current;
  }

  get measured(): number {
    return this.total;
  }

  add(value: number): void {
    this.current += value;
  }

  /** @returns undefined where nothing came since the last collection of deltas */
  collect({ time, before }: Collection): NumberPoint | undefined {
    const { attributes, start } = this;
    if (before === undefined) return { kind: 'number', attributes, start, time, value: this.total };
    if (this.current === 0) return undefined;
    const value = this.current;
    this.collected += value;
    this.current = 0;
    return { kind: 'number', attributes, start: before, time, value };
  }
}

/** One histogram of an instrument. The page has explicit buckets, whatever the exporter has. */
export class HistogramSeries {
  readonly attributes: MetricAttributes;
  readonly exemplars = new ExemplarReservoir();
  /** The first measurement, in microseconds since the epoch. */
  private readonly start: number;
  private readonly current: Histogram;
  private readonly exponential: ExponentialHistogram | undefined;
  /** What earlier collections of deltas contained. */
  private collected: Histogram | undefined;

  constructor(
    attributes: MetricAttributes,
    start: number,
    bounds: readonly number[],
    isExponential: boolean,
  ) {
    this.attributes = attributes;
    this.start = start;
    this.current = new Histogram(bounds);
    this.exponential = isExponential ? new ExponentialHistogram() : undefined;
  }

  get total(): Histogram {
    const { current, collected } = this;
    if (collected === undefined) return current;
    const total = new Histogram(current.bounds);
    total.add(collected);
    total.add(current);
    return total;
  }

  get measured(): number {
    return this.total.count;
  }

  /** @param span in which it was measured, where the measurement may become an exemplar */
  record(value: number, span: MeasuredSpan | undefined): void {
    const bucket = this.current.record(value);
    this.exponential?.record(value);
    if (span !== undefined) this.exemplars.offer(bucket, value, span);
  }

  /** @returns undefined where nothing came since the last collection of deltas */
  collect({ time, before }: Collection): HistogramPoint | undefined {
    const { attributes, current, exponential } = this;
    const { count } = current;
    if (before !== undefined && count === 0) return undefined;
    const { bounds, sum, min, max } = current;
    const buckets: Buckets =
      exponential === undefined
        ? { kind: 'explicit', bounds, counts: current.counts.slice() }
        : {
            kind: 'exponential',
            scale: exponential.scale,
            zeroCount: exponential.zeroCount,
            offset: exponential.offset,
            counts: exponential.buckets.slice(),
          };
    const start = before ?? this.start;
    const exemplars = this.exemplars.collect();
    if (before !== undefined) this.startAnew();
    return {
      kind: 'histogram',
      attributes,
      start,
      time,
      count,
      sum,
      min,
      max,
      buckets,
      exemplars,
    };
  }

  private startAnew(): void {
    this.collected ??= new Histogram(this.current.bounds);
    this.collected.add(this.current);
    this.current.clear();
    this.exponential?.clear();
  }
}
