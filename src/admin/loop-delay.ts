import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds. */
type LoopDelay = { readonly p50: number; readonly p99: number; readonly max: number };

const RESOLUTION = 20;

/** How long a window is, in milliseconds. */
const WINDOW = 10_000;

/**
 * How late the event loop of this thread is, over windows of ten seconds: all readers get the same numbers. Only the
 * rotation of the window runs in JavaScript.
 */
export class LoopDelayMonitor {
  private readonly histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  private turned = performance.now();
  private last: LoopDelay | undefined;

  constructor() {
    this.histogram.enable();
  }

  /** Of the last whole window; of the first one, as far as it is. */
  read(): LoopDelay {
    const now = performance.now();
    if (this.last !== undefined && now - this.turned < WINDOW) return this.last;
    const read = this.measure();
    if (now - this.turned >= WINDOW) {
      this.last = read;
      this.turned = now;
      this.histogram.reset();
    }
    return read;
  }

  /** The histogram holds the time from one beat to the next, of which the interval is no delay. */
  private measure(): LoopDelay {
    const { histogram } = this;
    if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 };
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
    return {
      p50: late(histogram.percentile(50)),
      p99: late(histogram.percentile(99)),
      max: late(histogram.max),
    };
  }
}
