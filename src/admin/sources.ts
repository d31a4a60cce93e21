import type { ExportWatch } from '../telemetry/export/export-watch.ts';
import type { Output } from '../telemetry/export/output.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { RecordCounts } from '../telemetry/pipeline.ts';
import type { LoopDelayMonitor } from './loop-delay.ts';
import type { MintSnapshot } from './mint-snapshot.ts';
import type { HopObserver } from './observer.ts';

/** Everything that the admin listener tells of, as it is at the moment of asking. Counts are since the start. */
export type AdminSources = {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly mint: () => MintSnapshot;
  readonly observer: HopObserver;
  readonly records: Readonly<RecordCounts>;
  readonly exporter: ExportWatch;
  readonly spans: Pick<Output, 'counts' | 'waiting'>;
  readonly delay: LoopDelayMonitor;
  /** Undefined where nobody asked for metrics: only sampled hops are looked at then. */
  readonly metrics: Metrics | undefined;
};

/** Hops by how they ended, and whose fault that was. */
export type OutcomeCount = {
  readonly outcome: string;
  readonly fault: string;
  readonly count: number;
};
