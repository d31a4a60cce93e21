import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Hop } from '../context/hop.ts';
import type { HopRecord } from '../records/record.ts';
import type { Kept } from './attributes.ts';
import type { Batch } from './batch.ts';
import type { ExporterConfig, TelemetryConfig } from './config.ts';
import type { ExportWatch } from './export-watch.ts';
import { LimitedSpans } from './limited-spans.ts';
import { OtlpSender, type SendResult } from './otlp.ts';
import { OtlpSpans, type SpanMark } from './otlp-spans.ts';
import { ExportQueue, type QueueCounts, type QueueEvent } from './queue.ts';
import { ReadableSpans, type SpanScope } from './readable-spans.ts';
import { type SpanSink, tellSpans } from './spans.ts';

/** Where the spans of hops go. `flush` gives up after `limit` milliseconds; what is left then is lost. */
export type Exporter = {
  /** @param kept for a hop of a trace that was not sampled: why it is exported all the same */
  add(record: HopRecord, hop: Hop, kept?: Kept): void;
  flush(limit: number): Promise<void>;
  /**
   * Sends what waits and what comes as `config` has it, if it is of the same kind.
   *
   * @throws Error when that cannot be set up; everything stays as it was then
   */
  reload(config: ExporterConfig): void;
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
  switch (config.exporter.kind) {
    case 'none':
      return new NoExporter();
    case 'console':
      return new ConsoleExporter(config, scope);
    case 'otlp':
      return new BatchExporter(config, scope, new OtlpSender(config.exporter), watch, onEvent);
    default:
      return config.exporter satisfies never;
  }
}

class NoExporter implements Exporter {
  readonly counts: QueueCounts = { exported: 0, dropped: 0, refused: 0, retries: 0 };
  readonly waiting = 0;

  add(): void {}

  async flush(): Promise<void> {}

  reload(): void {}
}

class ConsoleExporter implements Exporter {
  readonly counts: QueueCounts = { exported: 0, dropped: 0, refused: 0, retries: 0 };
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

  reload(): void {}
}

/** Collects spans into batches, encoded as they come, and hands each to the queue. */
class BatchExporter implements Exporter {
  private sender: OtlpSender;
  private readonly watch: ExportWatch;
  private readonly queue: ExportQueue;
  private readonly batchSize: number;
  private readonly batchBytes: number;
  private readonly scheduleDelay: number;
  private readonly spans: OtlpSpans;
  private readonly sink: SpanSink;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    config: TelemetryConfig,
    scope: SpanScope,
    sender: OtlpSender,
    watch: ExportWatch,
    onEvent: (event: QueueEvent) => void,
  ) {
    this.batchSize = config.batchSize;
    this.batchBytes = config.batchBytes;
    this.scheduleDelay = config.scheduleDelay;
    this.spans = new OtlpSpans(scope);
    this.sink = new LimitedSpans(this.spans, config.spanLimits);
    this.sender = sender;
    this.watch = watch;
    this.queue = new ExportQueue(
      watch.timed((batch) => this.send(batch)),
      { spans: config.queueSpans, bytes: config.queueBytes },
      onEvent,
    );
  }

  get counts(): Readonly<QueueCounts> {
    return this.queue.counts;
  }

  get waiting(): number {
    return this.spans.count + this.queue.size;
  }

  add(record: HopRecord, hop: Hop, kept?: Kept): void {
    // The spans of one hop stay together: a batch of 1 is one of 2 where there is a CLIENT span.
    const before = this.spans.mark();
    tellSpans(this.sink, record, hop, kept);
    if (this.spans.size > this.batchBytes && before.spans > 0) this.ship(before);
    const full =
      this.spans.count + MOST_SPANS > this.batchSize || this.spans.size > this.batchBytes;
    if (full) this.ship();
    else this.timer ??= setTimeout(() => this.ship(), this.scheduleDelay);
  }

  async flush(limit: number): Promise<void> {
    this.ship();
    await this.queue.flush(limit);
  }

  reload(config: ExporterConfig): void {
    if (config.kind !== 'otlp') return;
    const next = new OtlpSender(config);
    this.sender.close();
    this.sender = next;
    this.watch.use(config);
    this.queue.receiverChanged();
  }

  private async send(batch: Batch): Promise<SendResult> {
    const result = await this.sender.send(batch);
    // Any other is sent again, or may still be on its way.
    if (result.kind === 'sent') this.spans.giveBack(batch);
    return result;
  }

  /** @param mark up to where; the timer is the rest's then */
  private ship(mark?: SpanMark): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.spans.count > 0) this.queue.push(this.spans.take(mark));
  }
}

/** Spans of one hop. */
const MOST_SPANS = 2;
