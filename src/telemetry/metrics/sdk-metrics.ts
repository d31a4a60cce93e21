import type { Histogram } from '../../histogram.ts';
import type { OtlpProtocol, Signal } from '../config.ts';
import type { Instrument } from './instruments.ts';
import type {
  HistogramPoint,
  Metric,
  MetricAttributes,
  NumberPoint,
  Temporality,
} from './points.ts';
import type { Collection } from './series.ts';

/** Items by what became of them. */
type ItemCounts = {
  readonly exported: number;
  readonly refused: number;
  readonly dropped: number;
};

/** The numbers of the agent's own exporter of one signal. */
export type ExporterNumbers = {
  readonly signal: Signal;
  readonly protocol: OtlpProtocol;
  readonly counts: ItemCounts;
  /** Of one attempt, in seconds. */
  readonly latency: Histogram;
};

export type SdkSources = {
  readonly exporters: readonly ExporterNumbers[];
  /** The queue of spans: how many wait in it, or are on their way, and how many may. */
  readonly waiting: () => number;
  readonly capacity: number;
};

const ITEMS = {
  traces: { unit: '{span}', name: 'span' },
  metrics: { unit: '{data_point}', name: 'metric_data_point' },
  logs: { unit: '{log_record}', name: 'log' },
} as const;

const QUEUE_SIZE: Instrument = {
  name: 'otel.sdk.processor.span.queue.size',
  kind: 'updowncounter',
  unit: '{span}',
  description: 'Spans that wait to be exported, or are on their way.',
};

const QUEUE_CAPACITY: Instrument = {
  name: 'otel.sdk.processor.span.queue.capacity',
  kind: 'updowncounter',
  unit: '{span}',
  description: 'Spans that may wait.',
};

const PROCESSED: Instrument = {
  name: 'otel.sdk.processor.span.processed',
  kind: 'counter',
  unit: '{span}',
  description: 'Spans that left the queue, dropped ones included.',
};

const DURATION: Instrument & { kind: 'histogram' } = {
  name: 'otel.sdk.exporter.operation.duration',
  kind: 'histogram',
  unit: 's',
  description: 'Duration of one attempt to export a batch.',
  bounds: [],
};

function exportedOf(signal: Signal): Instrument {
  return {
    name: `otel.sdk.exporter.${ITEMS[signal].name}.exported`,
    kind: 'counter',
    unit: ITEMS[signal].unit,
    description: 'Items that the receiver accepted, or refused.',
  };
}

type Numbers = readonly { readonly attributes: MetricAttributes; readonly value: number }[];

/** What OpenTelemetry's conventions have for an SDK about itself, as far as the agent's queue and exporters have it. */
export class SdkMetrics {
  private readonly sources: SdkSources;
  private readonly temporality: Temporality;
  /** Microseconds since the epoch. */
  private readonly start: number;
  private before: number;
  /** What the last collection of deltas had, by metric and attributes. */
  private readonly last = new Map<string, number>();

  constructor(sources: SdkSources, temporality: Temporality, start: number) {
    this.sources = sources;
    this.temporality = temporality;
    this.start = start;
    this.before = start;
  }

  collect(time: number): Metric[] {
    const { before, temporality } = this;
    const collection = { time, before: temporality === 'delta' ? before : undefined };
    this.before = time;
    const { exporters, waiting, capacity } = this.sources;
    const traces = exporters.find(({ signal }) => signal === 'traces')?.counts;
    return [
      this.current(QUEUE_SIZE, waiting(), time),
      this.current(QUEUE_CAPACITY, capacity, time),
      ...(traces === undefined ? [] : [this.counters(PROCESSED, processed(traces), collection)]),
      ...exporters.map((exporter) =>
        this.counters(exportedOf(exporter.signal), exported(exporter), collection),
      ),
      {
        instrument: DURATION,
        temporality,
        points: exporters.map((exporter) => this.duration(exporter, collection)),
      },
    ].filter(({ points }) => points.length > 0);
  }

  /** An UpDownCounter is always cumulative by the specification, whatever is preferred. */
  private current(instrument: Instrument, value: number, time: number): Metric {
    const { start } = this;
    const attributes = PROCESSOR;
    const point: NumberPoint = { kind: 'number', attributes, start, time, value };
    return { instrument, temporality: 'cumulative', points: [point] };
  }

  private counters(instrument: Instrument, numbers: Numbers, collection: Collection): Metric {
    const { time, before } = collection;
    const points = numbers.map(
      ({ attributes, value }): NumberPoint => ({
        kind: 'number',
        attributes,
        start: before ?? this.start,
        time,
        value: this.since(before, `${instrument.name} ${JSON.stringify(attributes)}`, value),
      }),
    );
    return { instrument, temporality: this.temporality, points };
  }

  private duration(exporter: ExporterNumbers, { time, before }: Collection): HistogramPoint {
    const { signal, latency } = exporter;
    const { bounds, sum } = latency;
    const counts = latency.counts.map((count, bucket) =>
      this.since(before, `${signal} bucket ${bucket}`, count),
    );
    return {
      kind: 'histogram',
      attributes: componentOf(exporter),
      start: before ?? this.start,
      time,
      count: counts.reduce((all, count) => all + count, 0),
      sum: this.since(before, `${signal} sum`, sum),
      min: undefined,
      max: undefined,
      buckets: { kind: 'explicit', bounds, counts },
      exemplars: [],
    };
  }

  /** What is new since the last call of the same name, where only that is wanted. */
  private since(before: number | undefined, name: string, value: number): number {
    if (before === undefined) return value;
    const last = this.last.get(name) ?? 0;
    this.last.set(name, value);
    return value - last;
  }
}

const PROCESSOR: MetricAttributes = {
  'otel.component.name': 'batching_span_processor/0',
  'otel.component.type': 'batching_span_processor',
};

function componentOf({ signal, protocol }: ExporterNumbers): MetricAttributes {
  const type = `otlp_${protocol === 'grpc' ? 'grpc' : 'http'}_${COMPONENTS[signal]}_exporter`;
  return { 'otel.component.name': `${type}/0`, 'otel.component.type': type };
}

const COMPONENTS: Readonly<Record<Signal, string>> = {
  traces: 'span',
  metrics: 'metric',
  logs: 'log',
};

function processed({ exported, refused, dropped }: ItemCounts): Numbers {
  return [
    { attributes: PROCESSOR, value: exported + refused },
    { attributes: { ...PROCESSOR, 'error.type': 'queue_full' }, value: dropped },
  ];
}

function exported(exporter: ExporterNumbers): Numbers {
  const { exported, refused } = exporter.counts;
  const component = componentOf(exporter);
  return [
    { attributes: component, value: exported },
    { attributes: { ...component, 'error.type': 'rejected' }, value: refused },
  ];
}
