import type { Exemplar } from './exemplars.ts';
import type { Instrument } from './instruments.ts';

/** What a series is known by. A value that is not known has no key: another series than with an empty value. */
export type MetricAttributes = Readonly<Record<string, string | number | boolean>>;

export type Temporality = 'cumulative' | 'delta';

/** All of an instrument that there is at one time. */
export type Metric = {
  readonly instrument: Instrument;
  readonly temporality: Temporality;
  readonly points: readonly Point[];
};

export type Point = NumberPoint | HistogramPoint;

type Interval = {
  readonly attributes: MetricAttributes;
  /** Microseconds since the epoch. */
  readonly start: number;
  readonly time: number;
};

export type NumberPoint = Interval & { readonly kind: 'number'; readonly value: number };

export type HistogramPoint = Interval & {
  readonly kind: 'histogram';
  readonly count: number;
  readonly sum: number;
  /** Undefined where they are not known. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly buckets: Buckets;
  readonly exemplars: readonly Exemplar[];
};

export type Buckets =
  | {
      readonly kind: 'explicit';
      readonly bounds: readonly number[];
      /** One for each bound, and one for what is above. */
      readonly counts: ArrayLike<number>;
    }
  | {
      readonly kind: 'exponential';
      readonly scale: number;
      readonly zeroCount: number;
      /** The index of the first of `counts`. */
      readonly offset: number;
      readonly counts: readonly number[];
    };
