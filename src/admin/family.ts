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
