import type { Batch } from '../otlp/batch.ts';
import type { SendResult } from '../transport/otlp.ts';
import { SizeLimit } from './size-limit.ts';

/** Two smaller batches with the same items, of one that has more than one item. */
export type Split = (batch: Batch) => readonly [Batch, Batch] | undefined;

export type QueueLimits = {
  /** What may wait, in items and in bytes; the oldest batches go first beyond either. */
  readonly items: number;
  readonly bytes: number;
};

/** Items, as spans, counted since the start. */
export type QueueCounts = {
  exported: number;
  /** Dropped because the queue was full. */
  dropped: number;
  /** Refused by the receiver for good, or rejected in a partial success. */
  refused: number;
  /** Responses that accepted everything, and have a message all the same. */
  warnings: number;
  /** Attempts that failed and are repeated, in batches. */
  retries: number;
};

export function emptyCounts(): QueueCounts {
  return { exported: 0, dropped: 0, refused: 0, warnings: 0, retries: 0 };
}

/** What the operator is told: once when it starts, once when it is over. */
export type QueueEvent =
  | { readonly kind: 'failing'; readonly reason: string }
  | { readonly kind: 'recovered'; readonly seconds: number; readonly retries: number }
  | { readonly kind: 'refused'; readonly reason: string }
  /** Everything is accepted, with a message. */
  | { readonly kind: 'warned'; readonly reason: string }
  /** Batches of this many bytes are refused for their size: these and larger ones are sent in parts. */
  | { readonly kind: 'splitting'; readonly reason: string; readonly bytes: number }
  | { readonly kind: 'dropping'; readonly items: number; readonly bytes: number }
  | { readonly kind: 'dropped'; readonly items: number };

/** Batches on their way at a time, so that a distant receiver does not limit the rate. */
const MAX_IN_FLIGHT = 8;

/** Backoff as OTLP's specification wants it: exponential, with jitter. Milliseconds. */
const FIRST_BACKOFF = 500;
const MAX_BACKOFF = 10_000;

/** The longest wait that a receiver may ask for, in milliseconds. */
const MAX_DELAY = 300_000;

/** An episode of refusals, or of warnings, is over when there was none for this long, in milliseconds. */
const REFUSAL_EPISODE = 60_000;

/**
 * Refusals for size in a row that are answered with a smaller batch at once: enough to come from the largest batches,
 * all on their way at a time, to a single item. Who refuses more than that has another reason, as a quota.
 */
const QUICK_REFUSALS = 24;

/**
 * Sends the oldest batches first, a few at a time. A batch that fails in a retryable way goes back to them
 * and everything waits: the receiver is asked again by one batch at a time until it answers.
 */
export class ExportQueue {
  readonly counts = emptyCounts();
  private readonly send: (batch: Batch) => Promise<SendResult>;
  private readonly split: Split;
  private readonly limits: QueueLimits;
  private readonly onEvent: (event: QueueEvent) => void;

  private readonly waiting: Batch[] = [];
  private waitingItems = 0;
  private waitingBytes = 0;
  private inFlight = 0;
  private inFlightItems = 0;
  private attempt = 0;
  private failingSince: number | undefined;
  private failedRetries = 0;
  private backoff: NodeJS.Timeout | undefined;
  private droppedInEpisode = 0;
  /** When items were refused last, in an episode that was logged. */
  private refusedAt: number | undefined;
  /** When the receiver warned last. */
  private warnedAt = Number.NEGATIVE_INFINITY;
  private sizeLimit = new SizeLimit();
  /** Refused for size since the last batch that was not. */
  private tooLarge = 0;
  private idle: (() => void)[] = [];

  constructor(
    send: (batch: Batch) => Promise<SendResult>,
    split: Split,
    limits: QueueLimits,
    onEvent: (event: QueueEvent) => void,
  ) {
    this.send = send;
    this.split = split;
    this.limits = limits;
    this.onEvent = onEvent;
  }

  /** Items that wait for the receiver or are on their way to it. */
  get size(): number {
    return this.waitingItems + this.inFlightItems;
  }

  push(batch: Batch): void {
    this.waiting.push(batch);
    this.waitingItems += batch.items;
    this.waitingBytes += batch.bytes.length;
    this.bound();
    this.pump();
  }

  /** Resolves when nothing waits and nothing is on its way, or after `limit` milliseconds. */
  async flush(limit: number): Promise<void> {
    if (this.waiting.length === 0 && this.inFlight === 0) return;
    this.retryNow();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private bound(): void {
    const before = this.counts.dropped;
    while (
      this.waiting.length > 1 &&
      (this.waitingItems > this.limits.items || this.waitingBytes > this.limits.bytes)
    ) {
      const oldest = this.take();
      if (oldest === undefined) break;
      this.counts.dropped += oldest.items;
    }
    const dropped = this.counts.dropped - before;
    if (dropped === 0) return;
    if (this.droppedInEpisode === 0) {
      this.onEvent({ kind: 'dropping', items: this.waitingItems, bytes: this.waitingBytes });
    }
    this.droppedInEpisode += dropped;
  }

  private take(): Batch | undefined {
    const batch = this.waiting.shift();
    if (batch !== undefined) {
      this.waitingItems -= batch.items;
      this.waitingBytes -= batch.bytes.length;
    }
    return batch;
  }

  private pump(): void {
    if (this.backoff !== undefined) return;
    const limit = this.failingSince === undefined && this.tooLarge === 0 ? MAX_IN_FLIGHT : 1;
    while (this.inFlight < limit) {
      const batch = this.take();
      if (batch === undefined) break;
      if (this.sizeLimit.isExceededBy(batch.bytes.length) && this.putBackHalves(batch)) continue;
      this.inFlight += 1;
      this.inFlightItems += batch.items;
      void this.send(batch).then((result) => {
        this.inFlight -= 1;
        this.inFlightItems -= batch.items;
        this.settle(batch, result);
        this.pump();
      });
    }
    if (this.inFlight === 0 && this.waiting.length === 0) {
      for (const done of this.idle.splice(0)) done();
    }
  }

  private settle(batch: Batch, result: SendResult): void {
    switch (result.kind) {
      case 'sent':
        this.answered();
        this.tooLarge = 0;
        this.sizeLimit.sent();
        this.sent(batch, result);
        return;
      case 'refused':
        this.answered();
        this.refuse(batch.items, result.reason);
        return;
      case 'too_large':
        this.answered();
        this.shrink(batch, result.reason);
        return;
      case 'retryable':
        this.putBack(batch);
        this.counts.retries += 1;
        this.failedRetries += 1;
        this.wait(result.reason, result.delay);
        return;
      default:
        result satisfies never;
    }
  }

  private putBack(...batches: readonly Batch[]): void {
    this.waiting.unshift(...batches);
    for (const { items, bytes } of batches) {
      this.waitingItems += items;
      this.waitingBytes += bytes.length;
    }
    this.bound();
  }

  /** Puts both halves back, of a batch that has any. */
  private putBackHalves(batch: Batch): boolean {
    const halves = this.split(batch);
    if (halves === undefined) return false;
    this.putBack(...halves);
    return true;
  }

  /** Tries again in parts; what cannot be parted is refused. */
  private shrink(batch: Batch, reason: string): void {
    this.tooLarge += 1;
    const { length } = batch.bytes;
    if (this.putBackHalves(batch)) {
      this.counts.retries += 1;
      if (this.sizeLimit.refused(length)) {
        this.onEvent({ kind: 'splitting', reason, bytes: length });
      }
    } else {
      this.refuse(batch.items, reason);
      if (this.tooLarge > 1) this.sizeLimit.forget();
    }
    if (this.tooLarge > QUICK_REFUSALS) this.backOff(this.tooLarge - QUICK_REFUSALS - 1, 0);
  }

  private wait(reason: string, delay: number | undefined): void {
    if (this.failingSince === undefined) {
      this.failingSince = performance.now();
      this.onEvent({ kind: 'failing', reason });
    }
    // Batches that were on their way together fail together: they are one attempt.
    if (this.backoff !== undefined) return;
    this.backOff(this.attempt, delay ?? 0);
    this.attempt += 1;
  }

  /** Sends nothing for a while that grows with `attempt`, and `delay` milliseconds at least. */
  private backOff(attempt: number, delay: number): void {
    if (this.backoff !== undefined) return;
    const exponential = Math.min(FIRST_BACKOFF * 2 ** attempt, MAX_BACKOFF);
    const jittered = exponential * (0.5 + Math.random() / 2);
    this.backoff = setTimeout(
      () => this.retryNow(),
      Math.max(jittered, Math.min(delay, MAX_DELAY)),
    );
  }

  /** Another receiver may accept what this one did not. */
  receiverChanged(): void {
    this.sizeLimit = new SizeLimit();
    this.tooLarge = 0;
    this.retryNow();
  }

  /** Asks the receiver without waiting any longer. */
  retryNow(): void {
    clearTimeout(this.backoff);
    this.backoff = undefined;
    this.pump();
  }

  /** The receiver is there. */
  private answered(): void {
    if (this.failingSince !== undefined) {
      const seconds = (performance.now() - this.failingSince) / 1000;
      this.failingSince = undefined;
      this.onEvent({ kind: 'recovered', seconds, retries: this.failedRetries });
      this.failedRetries = 0;
    }
    this.attempt = 0;
    if (this.droppedInEpisode > 0 && this.waitingItems <= this.limits.items / 2) {
      this.onEvent({ kind: 'dropped', items: this.droppedInEpisode });
      this.droppedInEpisode = 0;
    }
  }

  /** Whatever number a receiver has, no more than there were can be rejected. */
  private sent(
    { items }: Batch,
    { rejected, message }: Extract<SendResult, { kind: 'sent' }>,
  ): void {
    const refused = rejected > 0 ? Math.min(rejected, items) : 0;
    this.counts.exported += items - refused;
    if (refused > 0) this.refuse(refused, message);
    else this.accepted();
    if (refused === 0 && message !== '') this.warn(message);
  }

  private warn(reason: string): void {
    this.counts.warnings += 1;
    const now = performance.now();
    if (now - this.warnedAt > REFUSAL_EPISODE) this.onEvent({ kind: 'warned', reason });
    this.warnedAt = now;
  }

  private refuse(items: number, reason: string): void {
    this.counts.refused += items;
    if (this.refusedAt === undefined) this.onEvent({ kind: 'refused', reason });
    this.refusedAt = performance.now();
  }

  /** Some batches may be refused while others are accepted: that is one episode. */
  private accepted(): void {
    if (performance.now() - (this.refusedAt ?? 0) > REFUSAL_EPISODE) this.refusedAt = undefined;
  }
}
