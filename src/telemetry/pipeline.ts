import { SamplerSwitch } from '../context/sampler-switch.ts';
import type { SamplerConfig } from '../context/sampling.ts';
import { TraceFlag } from '../context/traceparent.ts';
import type { Logger } from '../log.ts';
import { AccessLog, droppedByRing, isUnsampled } from '../records/access-log.ts';
import { parseFinishMessage } from '../records/finish-message.ts';
import type { HopRecord } from '../records/record.ts';
import { VERSION } from '../version.ts';
import type { TelemetryConfig } from './config.ts';
import { createDroppedLog, createUnusableLog, logQueueEvent } from './episodes.ts';
import { createExporter, type Exporter } from './exporter.ts';
import { HopMaker } from './hops.ts';
import { createResource } from './resource.ts';

/** Lines that came, by what became of them. */
export type RecordCounts = {
  /** Hops whose spans went to the exporter. */
  sampled: number;
  unsampled: number;
  /** Connections that failed before a request, as in their TLS handshake. */
  connectionErrors: number;
  /** Records that HAProxy dropped, by its own account, because its ring was full. */
  droppedByHaproxy: number;
  /** Lines that are not records: log lines of another shape, or cut too early. */
  unusable: number;
};

export type PipelineEvents = {
  readonly onUnusable: (line: string) => void;
  readonly onDroppedByHaproxy: (records: number) => void;
};

/** The telemetry path as the configuration wants it, telling its episodes to `log`. */
export async function createPipeline(
  config: TelemetryConfig,
  log: Logger,
): Promise<{ pipeline: Pipeline; exporter: Exporter }> {
  const scope = {
    resource: await createResource(config.resourceAttributes),
    instrumentationScope: { name: 'haproxy-otel-spoa', version: VERSION },
  };
  const exporter = createExporter(config, scope, (event) => logQueueEvent(log, event));
  const pipeline = new Pipeline(config, exporter, {
    onUnusable: createUnusableLog(log),
    onDroppedByHaproxy: createDroppedLog(log),
  });
  return { pipeline, exporter };
}

/** The telemetry path: bytes to record, record to spans, spans to the exporter. */
export class Pipeline {
  readonly counts: RecordCounts = {
    sampled: 0,
    unsampled: 0,
    connectionErrors: 0,
    droppedByHaproxy: 0,
    unusable: 0,
  };
  private readonly exporter: Exporter;
  private readonly accessLog = new AccessLog();
  private readonly sampler: SamplerSwitch;
  private readonly hops: HopMaker;
  private readonly connectionErrorSpans: boolean;
  private readonly events: PipelineEvents;

  constructor(config: TelemetryConfig, exporter: Exporter, events: PipelineEvents) {
    this.exporter = exporter;
    this.sampler = new SamplerSwitch(config.sampler);
    this.hops = new HopMaker(this.sampler.sample);
    this.connectionErrorSpans = config.connectionErrorSpans;
    this.events = events;
  }

  reload(sampler: SamplerConfig): void {
    this.sampler.use(sampler);
  }

  /** A `RecordSink` for lines of the access log. */
  readonly takeLine = (buffer: Buffer, start: number, end: number): void => {
    if (isUnsampled(buffer, start, end)) {
      this.counts.unsampled += 1;
      return;
    }
    const dropped = droppedByRing(buffer, start, end);
    if (dropped > 0) {
      this.counts.droppedByHaproxy += dropped;
      this.events.onDroppedByHaproxy(dropped);
      return;
    }
    this.takeRecord(this.accessLog.parse(buffer, start, end), buffer, start, end);
  };

  /** A `RecordSink` for `finish` messages. */
  readonly takeFinish = (buffer: Buffer, start: number, end: number): void => {
    this.takeRecord(parseFinishMessage(buffer, start, end), buffer, start, end);
  };

  private takeRecord(
    record: HopRecord | undefined,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    if (record === undefined) {
      this.counts.unusable += 1;
      this.events.onUnusable(buffer.toString('utf8', start, Math.min(end, start + 200)));
      return;
    }
    if (record.kind === 'connection_error') {
      this.counts.connectionErrors += 1;
      if (!this.connectionErrorSpans) return;
    }
    const hop = record.hop ?? this.hops.make();
    if ((hop.traceFlags & TraceFlag.SAMPLED) === 0) {
      this.counts.unsampled += 1;
      return;
    }
    this.counts.sampled += 1;
    this.exporter.add(record, hop);
  }
}
