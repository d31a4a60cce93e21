import type { ItemMark, OtlpItems } from '../otlp/otlp-items.ts';
import type { SignalExporter } from './signal-exporter.ts';

export type BatchLimits = {
  /** Items a batch. */
  readonly batchSize: number;
  /** Bytes a batch; what is written at once may have more. */
  readonly batchBytes: number;
  /** The longest time that an item waits for its batch to fill, in milliseconds. */
  readonly scheduleDelay: number;
};

/** Collects items into batches, and hands each to the exporter of the signal. */
export class Batcher {
  private readonly encoder: OtlpItems;
  private readonly exporter: SignalExporter;
  private readonly limits: BatchLimits;
  /** Items that are written at once, at most: they stay together. */
  private readonly most: number;
  private timer: NodeJS.Timeout | undefined;

  constructor(encoder: OtlpItems, exporter: SignalExporter, limits: BatchLimits, most: number) {
    this.encoder = encoder;
    this.exporter = exporter;
    this.limits = limits;
    this.most = most;
  }

  /** Items that are not exported yet. */
  get waiting(): number {
    return this.encoder.count + this.exporter.waiting;
  }

  /** To be called before items are written that belong together; what it returns is for `wrote`. */
  begin(): ItemMark | undefined {
    return this.encoder.count > 0 ? this.encoder.mark() : undefined;
  }

  /** @param before where they started, among others */
  wrote(before: ItemMark | undefined): void {
    const { encoder, most } = this;
    const { batchSize, batchBytes, scheduleDelay } = this.limits;
    if (encoder.size > batchBytes && before !== undefined) this.ship(before);
    if (encoder.count + most > batchSize || encoder.size > batchBytes) this.ship();
    else this.timer ??= setTimeout(() => this.ship(), scheduleDelay);
  }

  async flush(limit: number): Promise<void> {
    this.ship();
    await this.exporter.flush(limit);
  }

  /** @param mark up to where; the timer is the rest's then */
  private ship(mark?: ItemMark): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.encoder.count > 0) this.exporter.push(this.encoder.take(mark));
  }
}
