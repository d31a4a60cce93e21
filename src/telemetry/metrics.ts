import type { Hop } from '../context/hop.ts';
import type { Logger } from '../log.ts';
import type { HopRecord } from '../records/record.ts';
import type { TelemetryConfig } from './config.ts';
import { logQueueEvent } from './episodes.ts';
import { ExporterStatus } from './export/exporter-status.ts';
import {
  createSignalExporter,
  NOTHING_PREPARED,
  type Prepared,
  type SignalExporter,
} from './export/signal-exporter.ts';
import { MetricReader } from './metric-reader.ts';
import { HopMetrics } from './metrics/hop-metrics.ts';
import type { HopSeries } from './metrics/hop-series.ts';
import type { Metric, Temporality } from './metrics/points.ts';
import { type ExporterNumbers, SdkMetrics, type SdkSources } from './metrics/sdk-metrics.ts';
import { CARDINALITY_LIMIT } from './metrics/series-set.ts';
import { OtlpMetrics } from './otlp/otlp-metrics.ts';
import type { SpanScope } from './resource.ts';

/** Metrics that wait for the receiver: some minutes' worth of the most series that there can be. */
const QUEUE_LIMITS = { items: 1_000_000, bytes: 16_777_216 };

/** All metrics: of hops and of the agent's own exporters, for the page and, where it is wanted, for OTLP. */
export class Metrics {
  private readonly hops: HopMetrics;
  /** For the page; what is exported may be deltas. */
  private readonly own: SdkMetrics;
  private readonly reader: MetricReader | undefined;
  private readonly exporter: SignalExporter | undefined;
  private readonly log: Logger;

  /** @param sources without the exporter of metrics, of which numbers are added */
  constructor(config: TelemetryConfig, scope: SpanScope, sources: SdkSources, log: Logger) {
    this.log = log;
    const { exporters, metrics, batchBytes } = config;
    const isExported = exporters.metrics.kind === 'otlp';
    const { temporality, histogramAggregation, exemplarFilter } = metrics;
    this.hops = new HopMetrics({
      // Prometheus knows only what is cumulative, in explicit buckets.
      temporality: isExported && temporality !== 'cumulative' ? 'delta' : 'cumulative',
      exponential: isExported && histogramAggregation === 'base2_exponential_bucket_histogram',
      exemplarFilter,
      now,
      onOverflow: ({ name }) =>
        log.warn(
          { metric: name, limit: CARDINALITY_LIMIT },
          'a metric has all the series that it may have: others are counted with otel.metric.overflow',
        ),
    });
    if (exporters.metrics.kind !== 'otlp') {
      this.own = new SdkMetrics(sources, 'cumulative', now());
      return;
    }
    const status = new ExporterStatus(exporters.metrics);
    const encoder = new OtlpMetrics(scope, batchBytes);
    const exporter = createSignalExporter('metrics', exporters.metrics, {
      limits: QUEUE_LIMITS,
      status,
      onEvent: (event) => logQueueEvent(log, status.redacted(event), 'metrics'),
      onSent: (batch) => encoder.recycle(batch),
    });
    const numbers: ExporterNumbers = {
      signal: 'metrics',
      protocol: exporters.metrics.protocol,
      counts: exporter.counts,
      latency: status.latency,
    };
    const all = { ...sources, exporters: [...sources.exporters, numbers] };
    this.own = new SdkMetrics(all, 'cumulative', now());
    // They are observable counters: `lowmemory` has them cumulative.
    const ownTemporality: Temporality = temporality === 'delta' ? 'delta' : 'cumulative';
    const sdk = new SdkMetrics(all, ownTemporality, now());
    const parts = { hops: this.hops.series, sdk, encoder, exporter, now };
    this.reader = new MetricReader(parts, metrics.interval);
    this.exporter = exporter;
  }

  observe(record: HopRecord, hop: Hop | undefined, exported: boolean): void {
    this.hops.observe(record, hop, exported);
  }

  /** Of hops, since the start. */
  get hopSeries(): HopSeries {
    return this.hops.series;
  }

  /** Of the agent's own exporters, since the start. */
  collectOwn(): Metric[] {
    return this.own.collect(now());
  }

  /** @throws Error when what is to be applied cannot be set up */
  prepare({ exporters, metrics }: Pick<TelemetryConfig, 'exporters' | 'metrics'>): Prepared {
    const receiver =
      exporters.metrics.kind === 'otlp' ? this.exporter?.prepare(exporters.metrics) : undefined;
    const { apply, discard } = receiver ?? NOTHING_PREPARED;
    return {
      apply: () => {
        apply();
        this.hops.exemplarFilter = metrics.exemplarFilter;
        this.reader?.every(metrics.interval);
      },
      discard,
    };
  }

  /** Exports all that there is for the last time, and gives up after `limit` milliseconds. */
  async stop(limit: number): Promise<void> {
    await this.reader?.stop(limit);
    const lost = this.exporter?.waiting ?? 0;
    if (lost > 0) this.log.error({ data_points: lost }, 'metrics could not be exported in time');
  }
}

/** Microseconds since the epoch. */
function now(): number {
  return Date.now() * 1000;
}
