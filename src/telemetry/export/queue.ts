import type { Batch } from '../otlp/batch.ts';
import type { SendResult } from '../transport/otlp.ts';
import { type QueueCounts, type QueueEvent, QueueReport } from './queue-report.ts';
import { SizeLimit } from './size-limit.ts';
import { type QueueLimits, WaitingBatches } from './waiting-batches.ts';

/** Two smaller batches with the same items, of one that has more than one item. */
export type Split = (batch: Batch) => readonly [Batch, Batch] | undefined;

/** Batches on their way at a time, so that a distant receiver does not limit the rate. */
const MAX_IN_FLIGHT = 8;

/** Backoff as OTLP's specification wants it: exponential, with jitter. Milliseconds. */
const FIRST_BACKOFF = 500;
const MAX_BACKOFF = 10_000;

/** The longest wait that a receiver may ask for, in milliseconds. */
const MAX_DELAY = 300_000;

/**
 * Refusals for size in a row that are answered with a smaller batch at once: enough to come from the largest batches,
 * all on their way at a time, to a single item. A receiver that refuses more has another reason, as a quota.
 */
const QUICK_REFUSALS = 24;

/** What the receiver does, by its last answer. */
type Receiver =
  | { readonly kind: 'accepting' }
  /** Batches are too large for it. */
  | { readonly kind: 'refusing_size' }
  /** It does not answer, or asks to try again: since when, and how often so far. */
  | { readonly kind: 'failing'; readonly since: number; retries: number; attempts: number };

/**
 * Sends the oldest batches first, a few at a time. A batch that fails in a retryable way goes back to them
 * and everything waits: the receiver is asked again by one batch at a time until it answers.
 */
export class ExportQueue {
  private readonly send: (batch: Batch) => Promise<SendResult>;
  private readonly split: Split;
  private readonly limits: QueueLimits;
  private readonly onEvent: (event: QueueEvent) => void;
  private readonly report: QueueReport;
  private readonly waiting = new WaitingBatches();
  private inFlight = 0;
  private inFlightItems = 0;
  private receiver: Receiver = { kind: 'accepting' };
  /** Nothing is sent until it fires. */
  private backoff: NodeJS.Timeout | undefined;
  private sizeLimit = new SizeLimit();
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
    this.report = new QueueReport(onEvent);
  }

  get counts(): QueueCounts {
    return this.report.counts;
  }

  /** Items that wait for the receiver or are on their way to it. */
  get size(): number {
    return this.waiting.items + this.inFlightItems;
  }

  push(batch: Batch): void {
    this.waiting.append(batch);
    this.bound();
    this.pump();
  }

  /** Resolves when nothing waits and nothing is on its way, or after `limit` milliseconds. */
  async flush(limit: number): Promise<void> {
    if (this.waiting.isEmpty && this.inFlight === 0) return;
    this.retryNow();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Another receiver may accept what this one did not. */
  receiverChanged(): void {
    this.sizeLimit = new SizeLimit();
    if (this.receiver.kind === 'refusing_size') this.receiver = { kind: 'accepting' };
    this.retryNow();
  }

  /** Asks the receiver without waiting any longer. */
  retryNow(): void {
    clearTimeout(this.backoff);
    this.backoff = undefined;
    this.pump();
  }

  private bound(): void {
    this.report.dropped(this.waiting.dropBeyond(this.limits), this.waiting);
  }

  private pump(): void {
    if (this.backoff !== undefined) return;
    while (this.inFlight < this.mostInFlight()) {
      const batch = this.waiting.shift();
      if (batch === undefined) break;
      if (this.sizeLimit.isExceededBy(batch.bytes.length) && this.requeueHalves(batch)) continue;
      this.inFlight += 1;
      this.inFlightItems += batch.items;
      void this.send(batch).then((result) => {
        this.inFlight -= 1;
        this.inFlightItems -= batch.items;
        this.settle(batch, result);
        this.pump();
      });
    }
    if (this.inFlight === 0 && this.waiting.isEmpty) {
      for (const done of this.idle.splice(0)) done();
    }
  }

  private mostInFlight(): number {
    switch (this.receiver.kind) {
      case 'accepting':
        return MAX_IN_FLIGHT;
      case 'refusing_size':
      case 'failing':
        return 1;
      default:
        return this.receiver satisfies never;
    }
  }

  private settle(batch: Batch, result: SendResult): void {
    switch (result.kind) {
      case 'sent':
        this.answered({ kind: 'accepting' });
        this.sizeLimit.sent();
        this.report.sent(batch.items, result);
        return;
      case 'refused':
        this.answered({ kind: this.sizeLimit.refusals > 0 ? 'refusing_size' : 'accepting' });
        this.report.refused(batch.items, result.reason);
        return;
      case 'too_large':
        this.answered({ kind: 'refusing_size' });
        this.shrink(batch, result.reason);
        return;
      case 'retryable':
        this.requeue(batch);
        this.counts.retries += 1;
        this.failed(result.reason, result.delay);
        return;
      default:
        result satisfies never;
    }
  }

  private requeue(...batches: readonly Batch[]): void {
    this.waiting.prepend(batches);
    this.bound();
  }

  /** Puts both halves back, of a batch that has any. */
  private requeueHalves(batch: Batch): boolean {
    const halves = this.split(batch);
    if (halves === undefined) return false;
    this.requeue(...halves);
    return true;
  }

  /** Tries again in parts; what cannot be parted is refused. */
  private shrink(batch: Batch, reason: string): void {
    const { sizeLimit } = this;
    const { length } = batch.bytes;
    sizeLimit.refusals += 1;
    if (this.requeueHalves(batch)) {
      this.counts.retries += 1;
      if (sizeLimit.refused(length)) this.onEvent({ kind: 'splitting', reason, bytes: length });
    } else {
      this.report.refused(batch.items, reason);
      if (sizeLimit.refusals > 1) sizeLimit.forget();
    }
    const attempt = sizeLimit.refusals - QUICK_REFUSALS - 1;
    if (attempt >= 0) this.backOff(attempt, 0);
  }

  private failed(reason: string, delay: number | undefined): void {
    if (this.receiver.kind !== 'failing') {
      this.receiver = { kind: 'failing', since: performance.now(), retries: 0, attempts: 0 };
      this.onEvent({ kind: 'failing', reason });
    }
    this.receiver.retries += 1;
    // Batches that were on their way together fail together: they are one attempt.
    if (this.backoff !== undefined) return;
    this.backOff(this.receiver.attempts, delay ?? 0);
    this.receiver.attempts += 1;
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

  private answered(receiver: Exclude<Receiver, { kind: 'failing' }>): void {
    const before = this.receiver;
    this.receiver = receiver;
    if (before.kind === 'failing') {
      const seconds = (performance.now() - before.since) / 1000;
      this.onEvent({ kind: 'recovered', seconds, retries: before.retries });
    }
    if (this.waiting.items <= this.limits.items / 2) this.report.hasRoom();
  }
}
