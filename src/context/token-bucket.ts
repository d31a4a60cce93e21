/**
 * Allows so many events a second, in bursts of up to a second's worth.
 */
export class TokenBucket {
  private readonly rate: number;
  private readonly now: () => number;
  private tokens: number;
  private last: number;

  /**
   * @param rate tokens a second; below one, one is saved up for
   * @param now milliseconds, from a clock that is never set back
   */
  constructor(rate: number, now: () => number = () => performance.now()) {
    this.rate = rate;
    this.now = now;
    this.tokens = this.capacity;
    this.last = now();
  }

  /** Whether there was a token; consumes it. */
  tryTake(): boolean {
    this.fill();
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /** Consumes a token that may not be there yet: the deficit is at most a second's worth. */
  charge(): void {
    this.fill();
    this.tokens = Math.max(this.tokens - 1, -this.capacity);
  }

  private get capacity(): number {
    return Math.max(1, this.rate);
  }

  private fill(): void {
    const now = this.now();
    this.tokens = Math.min(this.capacity, this.tokens + ((now - this.last) / 1000) * this.rate);
    this.last = now;
  }
}
