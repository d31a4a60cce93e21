import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { ConsoleSpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import type { TelemetryConfig } from './config.ts';
import { type Batch, createOtlpSender, type SendResult } from './otlp.ts';
import { ExportQueue, type QueueCounts, type QueueEvent } from './queue.ts';

/** Where spans go. `flush` gives up after `limit` milliseconds; what is left then is lost. */
export type Exporter = {
  add(spans: readonly ReadableSpan[]): void;
  flush(limit: number): Promise<void>;
  readonly counts: Readonly<QueueCounts>;
  /** Spans that are not exported yet and wait to be. */
  readonly waiting: number;
};

export function createExporter(
  config: TelemetryConfig,
  onEvent: (event: QueueEvent) => void,
): Exporter {
  switch (config.exporter.kind) {
    case 'none':
      return new DirectExporter(() => {});
    case 'console': {
      const console = new ConsoleSpanExporter();
      return new DirectExporter((spans) => console.export(spans, () => {}));
    }
    case 'otlp':
      return new BatchExporter(config, createOtlpSender(config.exporter), onEvent);
    default:
      return config.exporter satisfies never;
  }
}

class DirectExporter implements Exporter {
  readonly counts: QueueCounts = { exported: 0, dropped: 0, refused: 0, retries: 0 };
  readonly waiting = 0;
  private readonly write: (spans: ReadableSpan[]) => void;

  constructor(write: (spans: ReadableSpan[]) => void) {
    this.write = write;
  }

  add(spans: readonly ReadableSpan[]): void {
    this.write([...spans]);
    this.counts.exported += spans.length;
  }

  async flush(): Promise<void> {}
}

/** Collects spans into batches, encodes each once, and hands it to the queue. */
class BatchExporter implements Exporter {
  private readonly queue: ExportQueue;
  private readonly batchSize: number;
  private readonly scheduleDelay: number;
  private spans: ReadableSpan[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(
    config: TelemetryConfig,
    send: (batch: Batch) => Promise<SendResult>,
    onEvent: (event: QueueEvent) => void,
  ) {
    this.batchSize = config.batchSize;
    this.scheduleDelay = config.scheduleDelay;
    this.queue = new ExportQueue(
      send,
      { spans: config.queueSpans, bytes: config.queueBytes },
      onEvent,
    );
  }

  get counts(): Readonly<QueueCounts> {
    return this.queue.counts;
  }

  get waiting(): number {
    return this.spans.length + this.queue.size;
  }

  add(spans: readonly ReadableSpan[]): void {
    for (const span of spans) {
      this.spans.push(span);
      if (this.spans.length >= this.batchSize) this.encode();
    }
    if (this.spans.length > 0) {
      this.timer ??= setTimeout(() => this.encode(), this.scheduleDelay);
    }
  }

  async flush(limit: number): Promise<void> {
    this.encode();
    await this.queue.flush(limit);
  }

  private encode(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.spans.length === 0) return;
    const bytes = ProtobufTraceSerializer.serializeRequest(this.spans);
    if (bytes !== undefined) this.queue.push({ bytes, spans: this.spans.length });
    this.spans = [];
  }
}
