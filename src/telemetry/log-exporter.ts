import { ConsoleLogRecordExporter } from '@opentelemetry/sdk-logs';
import type { Hop } from '../context/hop.ts';
import type { Message } from '../records/message.ts';
import type { HopRecord } from '../records/record.ts';
import type { Kept } from './attributes.ts';
import type { ExporterConfig, LogsConfig, OtlpConfig, TelemetryConfig } from './config.ts';
import { Batcher } from './export/batcher.ts';
import type { ExportWatch } from './export/export-watch.ts';
import { emptyCounts, type QueueCounts, type QueueEvent } from './export/queue-report.ts';
import {
  createSignalExporter,
  NOTHING_PREPARED,
  type Prepared,
  type SignalExporter,
} from './export/signal-exporter.ts';
import { LogRecords } from './logs/log-records.ts';
import { ReadableLogs } from './logs/readable-logs.ts';
import { hopSeverity, isFailure, isWarning, messageSeverity } from './logs/severity.ts';
import { OtlpLogs } from './otlp/otlp-logs.ts';
import type { SpanScope } from './resource.ts';

/** What becomes of the spans of a hop. */
export type SpanFate = {
  readonly exported: boolean;
  /** Why, where its trace was not sampled. */
  readonly kept: Kept | undefined;
  /** A connection that failed before a request has no spans unless somebody wants them: then it is of no trace. */
  readonly hasSpan: boolean;
};

/** Where log records go. */
export class LogExporter {
  readonly watch: ExportWatch;
  private readonly which: LogsConfig['which'];
  private readonly output: Output;

  constructor(
    config: TelemetryConfig,
    scope: SpanScope,
    watch: ExportWatch,
    onEvent: (event: QueueEvent) => void,
  ) {
    const { exporters, logs } = config;
    this.watch = watch;
    this.which = logs.which;
    this.output =
      exporters.logs.kind === 'otlp'
        ? new BatchOutput(config, exporters.logs, scope, watch, onEvent)
        : new ConsoleOutput(logs, scope);
  }

  /** Of what is not sampled any hop, and not only those that failed. */
  get wantsAll(): boolean {
    return this.which === 'all';
  }

  hop(record: HopRecord, hop: Hop, { exported, kept, hasSpan }: SpanFate): void {
    const isWanted =
      this.which === 'all' ||
      (this.which === 'sampled' && exported) ||
      isFailure(hopSeverity(record));
    if (!isWanted) return;
    this.output.write((logs) => logs.hop(record, hop, kept, now(), hasSpan));
  }

  message(message: Message): void {
    if (this.which === 'failed' && !isWarning(messageSeverity(message))) return;
    this.output.write((logs) => logs.message(message, now()));
  }

  get counts(): Readonly<QueueCounts> {
    return this.output.counts;
  }

  /** Log records that are not exported yet and wait to be. */
  get waiting(): number {
    return this.output.waiting;
  }

  /** Gives up after `limit` milliseconds; what is left then is lost. */
  async flush(limit: number): Promise<void> {
    await this.output.flush(limit);
  }

  /**
   * Sets up what sends as `config` has it, if it is of the same kind, and changes nothing until that is applied.
   *
   * @throws Error when it cannot be set up
   */
  prepare(config: ExporterConfig): Prepared {
    return this.output.prepare(config);
  }
}

/** Microseconds since the epoch. */
function now(): number {
  return Date.now() * 1000;
}

type Output = {
  write(one: (logs: LogRecords) => void): void;
  flush(limit: number): Promise<void>;
  prepare(config: ExporterConfig): Prepared;
  readonly counts: Readonly<QueueCounts>;
  readonly waiting: number;
};

class ConsoleOutput implements Output {
  readonly counts: QueueCounts = emptyCounts();
  readonly waiting = 0;
  private readonly console = new ConsoleLogRecordExporter();
  private readonly readable: ReadableLogs;
  private readonly logs: LogRecords;

  constructor(config: LogsConfig, scope: SpanScope) {
    this.readable = new ReadableLogs(scope);
    this.logs = new LogRecords(this.readable, config);
  }

  write(one: (logs: LogRecords) => void): void {
    one(this.logs);
    this.counts.exported += 1;
    this.console.export(this.readable.take(), () => {});
  }

  async flush(): Promise<void> {}

  prepare(): Prepared {
    return NOTHING_PREPARED;
  }
}

/** Collects log records into batches, encoded as they come. */
class BatchOutput implements Output {
  private readonly exporter: SignalExporter;
  private readonly batcher: Batcher;
  private readonly logs: LogRecords;

  constructor(
    { logs, batchBytes, queueBytes }: TelemetryConfig,
    otlp: OtlpConfig,
    scope: SpanScope,
    watch: ExportWatch,
    onEvent: (event: QueueEvent) => void,
  ) {
    const encoder = new OtlpLogs(scope);
    this.logs = new LogRecords(encoder, logs);
    this.exporter = createSignalExporter('logs', otlp, {
      limits: { items: logs.queueSize, bytes: queueBytes },
      watch,
      onEvent,
      onSent: (batch) => encoder.giveBack(batch),
    });
    const { batchSize, scheduleDelay } = logs;
    const limits = { batchSize, batchBytes, scheduleDelay };
    this.batcher = new Batcher(encoder, this.exporter, limits, 1);
  }

  get counts(): Readonly<QueueCounts> {
    return this.exporter.counts;
  }

  get waiting(): number {
    return this.batcher.waiting;
  }

  write(one: (logs: LogRecords) => void): void {
    const before = this.batcher.begin();
    one(this.logs);
    this.batcher.wrote(before);
  }

  async flush(limit: number): Promise<void> {
    await this.batcher.flush(limit);
  }

  prepare(config: ExporterConfig): Prepared {
    return config.kind === 'otlp' ? this.exporter.prepare(config) : NOTHING_PREPARED;
  }
}
