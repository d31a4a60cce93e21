import type { Buckets } from '../histogram.ts';

type Labels = Readonly<Record<string, string | number>>;

/** One number of a metric, as Prometheus has it. */
export type Sample = {
  readonly value: number;
  readonly labels: Labels;
  /** Labels that many samples have in common: one object for all of them. */
  readonly sharedLabels?: Labels;
  /** Where it is another than the family's, as of a histogram's parts. */
  readonly metricName?: string;
  readonly exemplar?: {
    readonly labelSet: Labels;
    readonly value: number;
    /** Seconds since the epoch. */
    readonly timestamp: number;
  };
};

/** A metric with all its samples. */
export type Family = {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly values: readonly Sample[];
};

/** A histogram's samples, each bucket with all that are below it. */
export function histogramSamples(
  name: string,
  { bounds, counts, sum }: Buckets,
  shared: Pick<Sample, 'sharedLabels'> = {},
  exemplarOf?: (bucket: number) => Sample['exemplar'],
): Sample[] {
  let count = 0;
  const buckets = Array.from(counts, (own, bucket): Sample => {
    count += own;
    const exemplar = exemplarOf?.(bucket);
    return {
      value: count,
      labels: { le: bounds[bucket] ?? '+Inf' },
      ...shared,
      metricName: `${name}_bucket`,
      ...(exemplar && { exemplar }),
    };
  });
  return [
    ...buckets,
    { value: sum, labels: {}, ...shared, metricName: `${name}_sum` },
    { value: count, labels: {}, ...shared, metricName: `${name}_count` },
  ];
}
