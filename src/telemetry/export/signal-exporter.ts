import { MAX_REQUEST, type OtlpConfig, type Signal } from '../config.ts';
import { type Batch, splitBatch } from '../otlp/batch.ts';
import type { OtlpClient, SendResult } from '../transport/otlp.ts';
import { createOtlpClient } from '../transport/otlp-client.ts';
import type { ExporterStatus } from './exporter-status.ts';
import { ExportQueue, type Split } from './queue.ts';
import type { QueueCounts, QueueEvent } from './queue-report.ts';
import type { QueueLimits } from './waiting-batches.ts';

/** A prepared change, which can be applied without failing, or discarded. */
export type Prepared = { readonly apply: () => void; readonly discard: () => void };

export const NOTHING_PREPARED: Prepared = { apply: () => {}, discard: () => {} };

/**
 * Applies all changes, or none where one cannot be prepared.
 *
 * @throws Error as the first that fails
 */
export function applyAll(prepares: readonly (() => Prepared)[]): void {
  const prepared: Prepared[] = [];
  try {
    for (const prepare of prepares) prepared.push(prepare());
  } catch (error) {
    for (const { discard } of prepared) discard();
    throw error;
  }
  for (const { apply } of prepared) apply();
}

/** Sends encoded requests of one signal, in order and again where that makes sense, in bounded memory. */
export type SignalExporter = {
  /** The bytes belong to the exporter until `onSent` has them; nobody else writes to them. */
  push(batch: Batch): void;
  /** Resolves when nothing waits any more, or after `limit` milliseconds; what is left then is lost. */
  flush(limit: number): Promise<void>;
  /**
   * Sets up what sends as `config` has it, and changes nothing until that is applied.
   *
   * @throws Error when it cannot be set up
   */
  prepare(config: OtlpConfig): Prepared;
  /** Items by what became of them. */
  readonly counts: Readonly<QueueCounts>;
  /** Items that wait for the receiver or are on their way to it. */
  readonly waiting: number;
};

export type SignalExporterOptions = {
  readonly limits: QueueLimits;
  readonly status: ExporterStatus;
  /** Logged by `logQueueEvent`, once `status.redacted` has removed secrets. */
  readonly onEvent: (event: QueueEvent) => void;
  /** Makes two of a batch that is too large for the receiver; spans and log records are split where none is set. */
  readonly split?: Split;
  /** Recycles the bytes of a batch that was sent. */
  readonly onSent?: (batch: Batch) => void;
};

const SPLITS: Readonly<Record<Signal, Split>> = {
  traces: splitBatch,
  logs: splitBatch,
  // A metric may have any number of data points, from which no batch can tell where to part it.
  metrics: () => undefined,
};

/** @throws Error as `createOtlpClient` does */
export function createSignalExporter(
  signal: Signal,
  config: OtlpConfig,
  options: SignalExporterOptions,
): SignalExporter {
  return new OtlpExporter(signal, config, options);
}

class OtlpExporter implements SignalExporter {
  private readonly signal: Signal;
  private readonly options: SignalExporterOptions;
  private readonly queue: ExportQueue;
  private client: OtlpClient;

  constructor(signal: Signal, config: OtlpConfig, options: SignalExporterOptions) {
    this.signal = signal;
    this.options = options;
    this.client = createOtlpClient(signal, config);
    this.queue = new ExportQueue(
      options.status.timed((batch) => this.send(batch)),
      options.split ?? SPLITS[signal],
      options.limits,
      options.onEvent,
    );
  }

  get counts(): Readonly<QueueCounts> {
    return this.queue.counts;
  }

  get waiting(): number {
    return this.queue.size;
  }

  push(batch: Batch): void {
    this.queue.push(batch);
  }

  flush(limit: number): Promise<void> {
    return this.queue.flush(limit);
  }

  prepare(config: OtlpConfig): Prepared {
    const next = createOtlpClient(this.signal, config);
    return {
      apply: () => {
        this.client.close();
        this.client = next;
        this.options.status.configure({ kind: 'otlp', ...config });
        this.queue.receiverChanged();
      },
      discard: () => next.close(),
    };
  }

  private async send(batch: Batch): Promise<SendResult> {
    if (batch.bytes.length > MAX_REQUEST) {
      return { kind: 'too_large', reason: `a request of ${batch.bytes.length} bytes` };
    }
    const result = await this.client.send(batch.bytes);
    // Any other is sent again, or may still be on its way.
    if (result.kind === 'sent') this.options.onSent?.(batch);
    return result;
  }
}
