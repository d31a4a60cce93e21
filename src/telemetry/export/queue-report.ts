import type { SendResult } from '../transport/otlp.ts';

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

/** What is logged: once when it starts, once when it is over. */
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

/** An episode of refusals, or of warnings, is over when there was none for this long, in milliseconds. */
const REFUSAL_EPISODE = 60_000;

/** Counts what becomes of the items of a queue, and reports the episodes in which they are lost. */
export class QueueReport {
  readonly counts = emptyCounts();
  private readonly onEvent: (event: QueueEvent) => void;
  private droppedInEpisode = 0;
  /** When items were refused last, in an episode that was logged. */
  private refusedAt: number | undefined;
  /** When the receiver warned last. */
  private warnedAt = Number.NEGATIVE_INFINITY;

  constructor(onEvent: (event: QueueEvent) => void) {
    this.onEvent = onEvent;
  }

  /** Whatever number a receiver has, no more than there were can be rejected. */
  sent(items: number, { rejected, message }: Extract<SendResult, { kind: 'sent' }>): void {
    const refused = rejected > 0 ? Math.min(rejected, items) : 0;
    this.counts.exported += items - refused;
    if (refused > 0) {
      this.refused(refused, message);
      return;
    }
    // Some batches may be refused while others are accepted: that is one episode.
    if (performance.now() - (this.refusedAt ?? 0) > REFUSAL_EPISODE) this.refusedAt = undefined;
    if (message !== '') this.warned(message);
  }

  refused(items: number, reason: string): void {
    this.counts.refused += items;
    if (this.refusedAt === undefined) this.onEvent({ kind: 'refused', reason });
    this.refusedAt = performance.now();
  }

  /** @param waiting what is left */
  dropped(items: number, waiting: { readonly items: number; readonly bytes: number }): void {
    if (items === 0) return;
    this.counts.dropped += items;
    if (this.droppedInEpisode === 0) {
      this.onEvent({ kind: 'dropping', items: waiting.items, bytes: waiting.bytes });
    }
    this.droppedInEpisode += items;
  }

  /** The queue has room again. */
  hasRoom(): void {
    if (this.droppedInEpisode === 0) return;
    this.onEvent({ kind: 'dropped', items: this.droppedInEpisode });
    this.droppedInEpisode = 0;
  }

  private warned(reason: string): void {
    this.counts.warnings += 1;
    const now = performance.now();
    if (now - this.warnedAt > REFUSAL_EPISODE) this.onEvent({ kind: 'warned', reason });
    this.warnedAt = now;
  }
}
