import type { ExporterStatus } from '../telemetry/export/exporter-status.ts';
import type { Output } from '../telemetry/export/output.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { RecordCounts } from '../telemetry/pipeline.ts';
import type { LoopDelayMonitor } from './loop-delay.ts';
import type { MintSnapshot } from './mint-snapshot.ts';
import type { HopObserver } from './observer.ts';

/** Everything that the admin listener reports, read when a request comes. Counts are since the start. */
export type AdminSources = {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly mint: () => MintSnapshot;
  readonly observer: HopObserver;
  readonly records: Readonly<RecordCounts>;
  readonly exporter: ExporterStatus;
  readonly spans: Pick<Output, 'counts' | 'waiting'>;
  readonly delay: LoopDelayMonitor;
  /** Undefined where metrics are off: then only sampled hops are observed. */
  readonly metrics: Metrics | undefined;
};

/** Hops by how they ended, and whose fault that was. */
export type OutcomeCount = {
  readonly outcome: string;
  readonly fault: string;
  readonly count: number;
};
