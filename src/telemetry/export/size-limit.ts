/** Batches in a row that were accepted before larger ones are tried again. */
const ACCEPTED_BEFORE_GROWTH = 64;

/** No receiver that refuses for size accepts this many bytes. */
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

  /** @returns whether the limit was unknown before */
  refused(bytes: number): boolean {
    this.bytes = Math.min(this.bytes, bytes);
    this.accepted = 0;
    const isNews = this.state === 'unknown';
    this.state = 'known';
    return isNews;
  }

  /** Resets the limit: a single span was refused too, so that size is not the reason. */
  forget(): void {
    this.bytes = Number.POSITIVE_INFINITY;
  }

  /** Counts an accepted batch: the limit may have been raised. */
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
