import type { ExporterConfig, OtlpConfig, Signal } from '../config.ts';
import type { ItemMark, OtlpItems } from '../otlp/otlp-items.ts';
import type { Output } from './output.ts';
import type { QueueCounts } from './queue-report.ts';
import {
  createSignalExporter,
  NOTHING_PREPARED,
  type Prepared,
  type SignalExporter,
  type SignalExporterOptions,
} from './signal-exporter.ts';
import type { QueueLimits } from './waiting-batches.ts';

type BatchLimits = {
  /** Items a batch. */
  readonly batchSize: number;
  /** Bytes a batch; what is written at once may have more. */
  readonly batchBytes: number;
  /** The longest time that an item waits for its batch to fill, in milliseconds. */
  readonly scheduleDelay: number;
  /** Items that are written at once, at most: they stay together. */
  readonly most: number;
  readonly queue: QueueLimits;
};

/** Collects items into batches, encoded as they come, and exports them over OTLP. */
export class Batcher implements Output {
  private readonly encoder: OtlpItems;
  private readonly exporter: SignalExporter;
  private readonly limits: BatchLimits;
  private timer: NodeJS.Timeout | undefined;

  /** @throws Error as `createOtlpClient` does */
  constructor(
    signal: Signal,
    config: OtlpConfig,
    encoder: OtlpItems,
    limits: BatchLimits,
    events: Pick<SignalExporterOptions, 'status' | 'onEvent'>,
  ) {
    this.encoder = encoder;
    this.limits = limits;
    this.exporter = createSignalExporter(signal, config, {
      ...events,
      limits: limits.queue,
      onSent: (batch) => encoder.recycle(batch),
    });
  }

  get counts(): Readonly<QueueCounts> {
    return this.exporter.counts;
  }

  get waiting(): number {
    return this.encoder.count + this.exporter.waiting;
  }

  begin(): ItemMark | undefined {
    return this.encoder.count > 0 ? this.encoder.mark() : undefined;
  }

  /** @param before where they started, among others */
  commit(before: ItemMark | undefined): void {
    const { encoder } = this;
    const { batchSize, batchBytes, scheduleDelay, most } = this.limits;
    if (encoder.size > batchBytes && before !== undefined) this.exportBatch(before);
    if (encoder.count + most > batchSize || encoder.size > batchBytes) this.exportBatch();
    else this.timer ??= setTimeout(() => this.exportBatch(), scheduleDelay);
  }

  async flush(limit: number): Promise<void> {
    this.exportBatch();
    await this.exporter.flush(limit);
  }

  prepare(config: ExporterConfig): Prepared {
    return config.kind === 'otlp' ? this.exporter.prepare(config) : NOTHING_PREPARED;
  }

  /** @param mark up to where; the timer is the rest's then */
  private exportBatch(mark?: ItemMark): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.encoder.count > 0) this.exporter.push(this.encoder.finishRequest(mark));
  }
}
