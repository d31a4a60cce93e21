/** Batches in a row that were accepted before larger ones are tried again. */
const ACCEPTED_BEFORE_GROWTH = 64;

/** Nobody who refuses for size takes this much, in bytes. */
const UNLIMITED = 16 * 1024 * 1024;

/** The size from which on the receiver refuses batches, as far as it has shown. */
export class SizeLimit {
  /** Refusals for size since the last batch that was accepted. */
  refusals = 0;
  private bytes = Number.POSITIVE_INFINITY;
  private accepted = 0;
  private state: 'unknown' | 'known' = 'unknown';

  isExceededBy(bytes: number): boolean {
    return bytes >= this.bytes;
  }

  /** @returns whether that is news */
  refused(bytes: number): boolean {
    this.bytes = Math.min(this.bytes, bytes);
    this.accepted = 0;
    const isNews = this.state === 'unknown';
    this.state = 'known';
    return isNews;
  }

  /** One span alone was refused like all before it: whatever the reason is, it is not the size. */
  forget(): void {
    this.bytes = Number.POSITIVE_INFINITY;
  }

  /** The limit may have been raised, or was none. */
  sent(): void {
    this.refusals = 0;
    if (this.state === 'unknown') return;
    this.accepted += 1;
    if (this.accepted < ACCEPTED_BEFORE_GROWTH) return;
    this.accepted = 0;
    this.bytes *= 2;
    if (this.bytes < UNLIMITED) return;
    this.forget();
    this.state = 'unknown';
  }
}
