import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Hop } from '../context/hop.ts';
import type { HopRecord } from '../records/record.ts';
import type { Kept } from './attributes.ts';
import type { ExporterConfig, OtlpConfig, TelemetryConfig } from './config.ts';
import { Batcher } from './export/batcher.ts';
import type { ExportWatch } from './export/export-watch.ts';
import { emptyCounts, type QueueCounts, type QueueEvent } from './export/queue-report.ts';
import {
  createSignalExporter,
  NOTHING_PREPARED,
  type Prepared,
  type SignalExporter,
} from './export/signal-exporter.ts';
import { OtlpSpans } from './otlp/otlp-spans.ts';
import type { SpanScope } from './resource.ts';
import { LimitedSpans } from './spans/limited-spans.ts';
import { ReadableSpans } from './spans/readable-spans.ts';
import { type SpanSink, tellSpans } from './spans/spans.ts';

/** Where the spans of hops go. `flush` gives up after `limit` milliseconds; what is left then is lost. */
export type Exporter = {
  /** @param kept for a hop of a trace that was not sampled: why it is exported all the same */
  add(record: HopRecord, hop: Hop, kept?: Kept): void;
  flush(limit: number): Promise<void>;
  /**
   * Sets up what sends as `config` has it, if it is of the same kind, and changes nothing until that is applied.
   *
   * @throws Error when it cannot be set up
   */
  prepare(config: ExporterConfig): Prepared;
  readonly counts: Readonly<QueueCounts>;
  /** Spans that are not exported yet and wait to be. */
  readonly waiting: number;
};

export function createExporter(
  config: TelemetryConfig,
  scope: SpanScope,
  watch: ExportWatch,
  onEvent: (event: QueueEvent) => void,
): Exporter {
  const { traces } = config.exporters;
  switch (traces.kind) {
    case 'none':
      return new NoExporter();
    case 'console':
      return new ConsoleExporter(config, scope);
    case 'otlp':
      return new BatchExporter(config, traces, scope, watch, onEvent);
    default:
      return traces satisfies never;
  }
}

class NoExporter implements Exporter {
  readonly counts: QueueCounts = emptyCounts();
  readonly waiting = 0;

  add(): void {}

  async flush(): Promise<void> {}

  prepare(): Prepared {
    return NOTHING_PREPARED;
  }
}

class ConsoleExporter implements Exporter {
  readonly counts: QueueCounts = emptyCounts();
  readonly waiting = 0;
  private readonly console = new ConsoleSpanExporter();
  private readonly spans: ReadableSpans;
  private readonly sink: SpanSink;

  constructor(config: TelemetryConfig, scope: SpanScope) {
    this.spans = new ReadableSpans(scope);
    this.sink = new LimitedSpans(this.spans, config.spanLimits);
  }

  add(record: HopRecord, hop: Hop, kept?: Kept): void {
    this.counts.exported += tellSpans(this.sink, record, hop, kept);
    this.console.export(this.spans.take(), () => {});
  }

  async flush(): Promise<void> {}

  prepare(): Prepared {
    return NOTHING_PREPARED;
  }
}

/** Collects spans into batches, encoded as they come, and hands each to the exporter of the signal. */
class BatchExporter implements Exporter {
  private readonly exporter: SignalExporter;
  private readonly batcher: Batcher;
  private readonly sink: SpanSink;

  constructor(
    config: TelemetryConfig,
    otlp: OtlpConfig,
    scope: SpanScope,
    watch: ExportWatch,
    onEvent: (event: QueueEvent) => void,
  ) {
    const spans = new OtlpSpans(scope);
    this.sink = new LimitedSpans(spans, config.spanLimits);
    this.exporter = createSignalExporter('traces', otlp, {
      limits: { items: config.queueSpans, bytes: config.queueBytes },
      watch,
      onEvent,
      onSent: (batch) => spans.giveBack(batch),
    });
    // The spans of one hop stay together: a batch of 1 is one of 2 where there is a CLIENT span.
    this.batcher = new Batcher(spans, this.exporter, config, MOST_SPANS);
  }

  get counts(): Readonly<QueueCounts> {
    return this.exporter.counts;
  }

  get waiting(): number {
    return this.batcher.waiting;
  }

  add(record: HopRecord, hop: Hop, kept?: Kept): void {
    const before = this.batcher.begin();
    tellSpans(this.sink, record, hop, kept);
    this.batcher.wrote(before);
  }

  async flush(limit: number): Promise<void> {
    await this.batcher.flush(limit);
  }

  prepare(config: ExporterConfig): Prepared {
    return config.kind === 'otlp' ? this.exporter.prepare(config) : NOTHING_PREPARED;
  }
}

/** Spans of one hop. */
const MOST_SPANS = 2;
