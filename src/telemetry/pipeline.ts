import { createSampler } from '../context/sampling.ts';
import { TraceFlag } from '../context/traceparent.ts';
import { isUnsampled, parseAccessLog } from '../records/access-log.ts';
import type { TelemetryConfig } from './config.ts';
import type { Exporter } from './exporter.ts';
import { HopMaker } from './hops.ts';

/** Lines that came, by what became of them. */
export type RecordCounts = {
  /** Hops whose spans went to the exporter. */
  sampled: number;
  unsampled: number;
  /** Lines that are not records: log lines of another shape, or cut too early. */
  unusable: number;
};

/** The telemetry path of one line: bytes to record, record to spans, spans to the exporter. */
export class Pipeline {
  readonly counts: RecordCounts = { sampled: 0, unsampled: 0, unusable: 0 };
  private readonly exporter: Exporter;
  private readonly hops: HopMaker;
  private readonly onUnusable: (line: string) => void;

  constructor(config: TelemetryConfig, exporter: Exporter, onUnusable: (line: string) => void) {
    this.exporter = exporter;
    this.hops = new HopMaker(createSampler(config.sampler));
    this.onUnusable = onUnusable;
  }

  /** A `RecordSink`. */
  readonly take = (buffer: Buffer, start: number, end: number): void => {
    if (isUnsampled(buffer, start, end)) {
      this.counts.unsampled += 1;
      return;
    }
    const record = parseAccessLog(buffer, start, end);
    if (record === undefined) {
      this.counts.unusable += 1;
      this.onUnusable(buffer.toString('utf8', start, Math.min(end, start + 200)));
      return;
    }
    const hop = record.hop ?? this.hops.make();
    if ((hop.traceFlags & TraceFlag.SAMPLED) === 0) {
      this.counts.unsampled += 1;
      return;
    }
    this.counts.sampled += 1;
    this.exporter.add(record, hop);
  };
}
