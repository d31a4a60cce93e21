import type { Histogram } from '../histogram.ts';
import type { Family } from './family.ts';
import type { LoopDelayMonitor } from './loop-delay.ts';
import type { MintSnapshot } from './mint-numbers.ts';
import type { HopObserver } from './observer.ts';

/** Everything that the admin listener tells of, as it is at the moment of asking. Counts are since the start. */
export type AdminSources = {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly mint: () => MintSnapshot;
  readonly observer: HopObserver;
  readonly records: Readonly<RecordTotals>;
  readonly exporter: Readonly<ExporterState>;
  readonly spans: { readonly counts: Readonly<SpanTotals>; readonly waiting: number };
  readonly delay: LoopDelayMonitor;
  /** Undefined where nobody asked for metrics: only sampled hops are looked at then. */
  readonly metrics: HopMetricSources | undefined;
};

/** What is known of all hops, sampled or not. */
export type HopMetricSources = {
  readonly families: () => readonly Family[];
  readonly outcomeCounts: () => readonly OutcomeCount[];
};

/** Hops by how they ended, and whose fault that was. */
export type OutcomeCount = {
  readonly outcome: string;
  readonly fault: string;
  readonly count: number;
};

export type RecordTotals = {
  readonly sampled: number;
  readonly unsampled: number;
  readonly kept: number;
  readonly minted: number;
  readonly connectionErrors: number;
  readonly droppedByHaproxy: number;
  readonly unusable: number;
};

export type SpanTotals = {
  readonly exported: number;
  readonly dropped: number;
  readonly refused: number;
  readonly retries: number;
};

export type ExporterState = {
  readonly kind: 'none' | 'console' | 'otlp';
  readonly target: string | undefined;
  readonly latency: Histogram;
  readonly state: 'working' | 'refusing' | 'failing';
  readonly since: number | undefined;
  readonly reason: string | undefined;
  readonly lastSuccess: number | undefined;
};
