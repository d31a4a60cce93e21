import type { SignalExporter } from './export/signal-exporter.ts';
import type { HopSeries } from './metrics/hop-series.ts';
import type { SdkMetrics } from './metrics/sdk-metrics.ts';
import type { OtlpMetrics } from './otlp/otlp-metrics.ts';

type Parts = {
  readonly hops: HopSeries;
  readonly sdk: SdkMetrics;
  readonly encoder: OtlpMetrics;
  readonly exporter: SignalExporter;
  /** Microseconds since the epoch. */
  readonly now: () => number;
};

/** Collects metrics again and again, and exports them. */
export class MetricReader {
  private readonly parts: Parts;
  private timer: NodeJS.Timeout | undefined;

  /** @param interval milliseconds */
  constructor(parts: Parts, interval: number) {
    this.parts = parts;
    this.every(interval);
  }

  /** Begins a new interval, of as many milliseconds. */
  every(interval: number): void {
    clearInterval(this.timer);
    this.timer = setInterval(() => this.export(), interval).unref();
  }

  /** Exports for the last time, and gives up after `limit` milliseconds. */
  async stop(limit: number): Promise<void> {
    clearInterval(this.timer);
    this.export();
    await this.parts.exporter.flush(limit);
  }

  private export(): void {
    const { hops, sdk, encoder, exporter, now } = this.parts;
    const time = now();
    const metrics = [...hops.collect(time), ...sdk.collect(time)];
    for (const batch of encoder.encode(metrics)) exporter.push(batch);
  }
}
