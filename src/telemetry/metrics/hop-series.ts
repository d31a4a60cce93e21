import { type Counter, type Histogram, INSTRUMENTS } from './instruments.ts';
import type { Metric, MetricAttributes, Point, Temporality } from './points.ts';
import { type Collection, CounterSeries, HistogramSeries } from './series.ts';
import { SeriesSet, type SeriesSetEvents } from './series-set.ts';

export type HopSeriesOptions = {
  readonly temporality: Temporality;
  /** Buckets of base 2, beside the explicit ones. */
  readonly exponential: boolean;
  readonly events: SeriesSetEvents;
  /** Microseconds since the epoch. */
  readonly now: () => number;
};

type HistogramSet = SeriesSet<HistogramSeries>;
type CounterSet = SeriesSet<CounterSeries>;

/** The series of all instruments that measure hops. */
export class HopSeries {
  readonly serverDuration: HistogramSet;
  readonly clientDuration: HistogramSet;
  readonly requestSize: HistogramSet;
  readonly responseSize: HistogramSet;
  readonly queue: HistogramSet;
  readonly connect: HistogramSet;
  readonly response: HistogramSet;
  readonly retries: CounterSet;
  readonly redispatches: CounterSet;
  readonly hops: CounterSet;
  readonly connectionDuration: HistogramSet;
  readonly connectionIo: CounterSet;
  readonly histograms: HistogramSet[] = [];
  readonly counters: CounterSet[] = [];
  private readonly options: HopSeriesOptions;
  private before: number;

  constructor(options: HopSeriesOptions) {
    this.options = options;
    this.before = options.now();
    this.serverDuration = this.histogram(INSTRUMENTS.serverDuration);
    this.clientDuration = this.histogram(INSTRUMENTS.clientDuration);
    this.requestSize = this.histogram(INSTRUMENTS.requestSize);
    this.responseSize = this.histogram(INSTRUMENTS.responseSize);
    this.queue = this.histogram(INSTRUMENTS.queue);
    this.connect = this.histogram(INSTRUMENTS.connect);
    this.response = this.histogram(INSTRUMENTS.response);
    this.retries = this.counter(INSTRUMENTS.retries);
    this.redispatches = this.counter(INSTRUMENTS.redispatches);
    this.hops = this.counter(INSTRUMENTS.hops);
    this.connectionDuration = this.histogram(INSTRUMENTS.connectionDuration);
    this.connectionIo = this.counter(INSTRUMENTS.connectionIo);
  }

  /**
   * Every instrument that has something to report. With deltas, what is in one collection is in no other.
   *
   * @param time microseconds since the epoch
   */
  collect(time: number): Metric[] {
    const { temporality } = this.options;
    const collection: Collection = {
      time,
      before: temporality === 'delta' ? this.before : undefined,
    };
    this.before = time;
    return [...this.histograms, ...this.counters]
      .map(({ instrument, series }) => ({
        instrument,
        temporality,
        points: series
          .map((one): Point | undefined => one.collect(collection))
          .filter((point) => point !== undefined),
      }))
      .filter(({ points }) => points.length > 0);
  }

  private histogram(instrument: Histogram): HistogramSet {
    const { exponential, now, events } = this.options;
    const set = new SeriesSet(
      instrument,
      (attributes: MetricAttributes) =>
        new HistogramSeries(attributes, now(), instrument.bounds, exponential),
      now,
      events,
    );
    this.histograms.push(set);
    return set;
  }

  private counter(instrument: Counter): CounterSet {
    const { now, events } = this.options;
    const set = new SeriesSet(
      instrument,
      (attributes: MetricAttributes) => new CounterSeries(attributes, now()),
      now,
      events,
    );
    this.counters.push(set);
    return set;
  }
}
