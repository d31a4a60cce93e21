import { ConsoleLogRecordExporter } from '@opentelemetry/sdk-logs';
import type { Hop } from '../context/hop.ts';
import type { Logger } from '../log.ts';
import type { Message } from '../records/message.ts';
import type { HopRecord } from '../records/record.ts';
import type { TailPolicy } from './attributes.ts';
import type { LogsConfig, TelemetryConfig } from './config.ts';
import { logQueueEvent } from './episodes.ts';
import { Batcher } from './export/batcher.ts';
import { ExporterStatus } from './export/exporter-status.ts';
import { ConsoleOutput, type Output } from './export/output.ts';
import { LogRecords } from './logs/log-records.ts';
import { ReadableLogs } from './logs/readable-logs.ts';
import { hopSeverity, isFailure, isWarning, messageSeverity } from './logs/severity.ts';
import { OtlpLogs } from './otlp/otlp-logs.ts';
import type { SpanScope } from './resource.ts';

/** What was decided about the spans of a hop. */
type SpanFate = {
  readonly exported: boolean;
  /** The policy of tail sampling, where its trace was not sampled. */
  readonly tailPolicy: TailPolicy | undefined;
  /** False for a connection that failed before a request, where its spans are off: then it is of no trace. */
  readonly hasSpan: boolean;
};

/** Where log records go. */
export class LogExporter {
  readonly status: ExporterStatus;
  readonly output: Output;
  private readonly which: LogsConfig['which'];
  private readonly records: LogRecords;

  /** @throws Error when what sends cannot be set up */
  constructor(config: TelemetryConfig, scope: SpanScope, log: Logger) {
    const { exporters, logs, batchBytes, queueBytes } = config;
    const { batchSize, scheduleDelay, queueSize } = logs;
    const status = new ExporterStatus(exporters.logs);
    this.status = status;
    this.which = logs.which;
    if (exporters.logs.kind === 'otlp') {
      const encoder = new OtlpLogs(scope);
      const queue = { items: queueSize, bytes: queueBytes };
      this.records = new LogRecords(encoder, logs);
      this.output = new Batcher(
        'logs',
        exporters.logs,
        encoder,
        { batchSize, batchBytes, scheduleDelay, most: 1, queue },
        { status, onEvent: (event) => logQueueEvent(log, status.redacted(event), 'logs') },
      );
    } else {
      const readable = new ReadableLogs(scope);
      const console = new ConsoleLogRecordExporter();
      this.records = new LogRecords(readable, logs);
      this.output = new ConsoleOutput(status, () => console.export(readable.drain(), () => {}));
    }
  }

  /** Of what is not sampled any hop, and not only those that failed. */
  get wantsAll(): boolean {
    return this.which === 'all';
  }

  hop(record: HopRecord, hop: Hop, { exported, tailPolicy, hasSpan }: SpanFate): void {
    const isWanted =
      this.which === 'all' ||
      (this.which === 'sampled' && exported) ||
      isFailure(hopSeverity(record));
    if (!isWanted) return;
    const before = this.output.begin();
    this.records.hop(record, hop, tailPolicy, now(), hasSpan);
    this.output.commit(before, 1);
  }

  message(message: Message): void {
    if (this.which === 'failed' && !isWarning(messageSeverity(message))) return;
    const before = this.output.begin();
    this.records.message(message, now());
    this.output.commit(before, 1);
  }
}

/** Microseconds since the epoch. */
function now(): number {
  return Date.now() * 1000;
}
