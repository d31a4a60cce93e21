import type { Batch } from '../otlp/batch.ts';

export type QueueLimits = {
  /** The bounds of what waits, in items and bytes; beyond either the oldest batches are dropped. */
  readonly items: number;
  readonly bytes: number;
};

/** Batches that wait for the receiver, the oldest first. */
export class WaitingBatches {
  items = 0;
  bytes = 0;
  private readonly batches: Batch[] = [];

  get isEmpty(): boolean {
    return this.batches.length === 0;
  }

  append(batch: Batch): void {
    this.batches.push(batch);
    this.add(batch);
  }

  /** In this order, ahead of all others. */
  prepend(batches: readonly Batch[]): void {
    this.batches.unshift(...batches);
    for (const batch of batches) this.add(batch);
  }

  shift(): Batch | undefined {
    const batch = this.batches.shift();
    if (batch !== undefined) {
      this.items -= batch.items;
      this.bytes -= batch.bytes.length;
    }
    return batch;
  }

  /** Drops the oldest beyond the limits, but not the last one. @returns how many items */
  dropBeyond(limits: QueueLimits): number {
    let dropped = 0;
    while (this.batches.length > 1 && (this.items > limits.items || this.bytes > limits.bytes)) {
      dropped += this.shift()?.items ?? 0;
    }
    return dropped;
  }

  private add({ items, bytes }: Batch): void {
    this.items += items;
    this.bytes += bytes.length;
  }
}
