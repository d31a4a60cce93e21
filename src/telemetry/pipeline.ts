import type { Hop } from '../context/hop.ts';
import { Sampler } from '../context/sampling.ts';
import { TraceFlag } from '../context/traceparent.ts';
import type { Logger } from '../log.ts';
import { AccessLog, droppedByRing, otherVersion } from '../records/access-log.ts';
import { RecordHead } from '../records/head.ts';
import type { HopRecord } from '../records/record.ts';
import { RemoteSampling } from '../remote-sampling/remote-sampling.ts';
import { VERSION } from '../version.ts';
import { withBaggage } from './baggage.ts';
import type { TelemetryConfig } from './config.ts';
import {
  createDroppedLog,
  createFaultLog,
  createOtherVersionLog,
  createUnusableLog,
  logQueueEvent,
} from './episodes.ts';
import { ExportWatch } from './export-watch.ts';
import { createExporter, type Exporter } from './exporter.ts';
import { HopMaker } from './hops.ts';
import { Keeper } from './keep.ts';
import { createResource } from './resource.ts';

/** Lines that came, by what became of them. */
export type RecordCounts = {
  /** Hops whose spans went to the exporter. */
  sampled: number;
  unsampled: number;
  /** Of these, exported all the same: failed or slow. */
  kept: number;
  /** Of both, those that an agent minted, and not HAProxy itself. */
  minted: number;
  /** Connections that failed before a request, as in their TLS handshake. */
  connectionErrors: number;
  /** Records that HAProxy dropped, by its own account, because its ring was full. */
  droppedByHaproxy: number;
  /** Lines that are not records: log lines of another shape, records of another version, or cut too early. */
  unusable: number;
};

export type PipelineEvents = {
  readonly onUnusable: (line: string) => void;
  /** A record that lines of another release wrote. */
  readonly onOtherVersion: (version: number) => void;
  readonly onDroppedByHaproxy: (records: number) => void;
  /** A record whose hop is sampled, before its spans are made. */
  readonly onHop?: (record: HopRecord, hop: Hop) => void;
};

/** The telemetry path as the configuration wants it, telling its episodes to `log`, and hops to `onHop`. */
export async function createPipeline(
  config: TelemetryConfig,
  log: Logger,
  onHop?: PipelineEvents['onHop'],
): Promise<{
  pipeline: Pipeline;
  exporter: Exporter;
  watch: ExportWatch;
  sampling: RemoteSampling;
}> {
  const scope = {
    resource: await createResource(config.resourceAttributes),
    instrumentationScope: { name: 'haproxy-otel-spoa', version: VERSION },
  };
  const watch = new ExportWatch(config.exporter);
  const exporter = createExporter(config, scope, watch, (event) => {
    logQueueEvent(log, watch.redacted(event));
  });
  const sampler = new Sampler(config.sampler);
  const sampling = new RemoteSampling(sampler, config.resourceAttributes, log);
  sampling.use(config.sampler);
  const pipeline = new Pipeline(config, exporter, sampler, {
    onUnusable: createUnusableLog(log),
    onOtherVersion: createOtherVersionLog(log),
    onDroppedByHaproxy: createDroppedLog(log),
    ...(onHop === undefined ? {} : { onHop: guarded(onHop, createFaultLog(log)) }),
  });
  return { pipeline, exporter, watch, sampling };
}

/** Who watches hops must not keep them from being exported. */
function guarded(
  onHop: NonNullable<PipelineEvents['onHop']>,
  onFault: (error: unknown) => void,
): NonNullable<PipelineEvents['onHop']> {
  return (record, hop) => {
    try {
      onHop(record, hop);
    } catch (error) {
      onFault(error);
    }
  };
}

/** The telemetry path: bytes to record, record to spans, spans to the exporter. */
export class Pipeline {
  readonly counts: RecordCounts = {
    sampled: 0,
    unsampled: 0,
    kept: 0,
    minted: 0,
    connectionErrors: 0,
    droppedByHaproxy: 0,
    unusable: 0,
  };
  private readonly exporter: Exporter;
  private readonly head = new RecordHead();
  private readonly accessLog = new AccessLog();
  private readonly hops: HopMaker;
  private readonly keeper: Keeper;
  private readonly baggageKeys: readonly string[];
  private readonly connectionErrorSpans: boolean;
  private readonly events: PipelineEvents;

  constructor(
    config: TelemetryConfig,
    exporter: Exporter,
    sampler: Sampler,
    events: PipelineEvents,
  ) {
    this.exporter = exporter;
    this.hops = new HopMaker(sampler);
    this.keeper = new Keeper(config.keep);
    this.baggageKeys = config.baggageKeys;
    this.connectionErrorSpans = config.connectionErrorSpans;
    this.events = events;
  }

  /** A `RecordSink` for lines of the access log. */
  readonly takeLine = (buffer: Buffer, start: number, end: number): void => {
    const dropped = droppedByRing(buffer, start, end);
    if (dropped > 0) {
      this.counts.droppedByHaproxy += dropped;
      this.events.onDroppedByHaproxy(dropped);
      return;
    }
    if (this.head.isUnsampled(buffer, start, end) && !this.mayKeep(buffer, start, end)) {
      this.counts.unsampled += 1;
      if (this.head.isMintedByAgent(buffer, start, end)) this.counts.minted += 1;
      return;
    }
    const record = this.accessLog.parse(buffer, start, end);
    if (record === undefined) this.takeUnusable(buffer, start, end);
    else if (!this.accessLog.reported) this.takeRecord(record);
  };

  /** Whether a line of a hop that was not sampled is worth a second look. */
  private mayKeep(buffer: Buffer, start: number, end: number): boolean {
    if (!this.keeper.active) return false;
    this.accessLog.scan(buffer, start, end);
    return this.keeper.mayKeep(this.accessLog);
  }

  private takeUnusable(buffer: Buffer, start: number, end: number): void {
    this.counts.unusable += 1;
    const version = otherVersion(buffer, start, end);
    if (version !== undefined) this.events.onOtherVersion(version);
    else this.events.onUnusable(buffer.toString('utf8', start, Math.min(end, start + 200)));
  }

  private takeRecord(record: HopRecord): void {
    if (record.kind === 'connection_error') {
      this.counts.connectionErrors += 1;
      if (!this.connectionErrorSpans) return;
    }
    const hop = record.hop ?? this.hops.make();
    if (isMintedByAgent(record.hop)) this.counts.minted += 1;
    const told = withBaggage(record, this.baggageKeys);
    if ((hop.traceFlags & TraceFlag.SAMPLED) !== 0) {
      this.counts.sampled += 1;
      this.events.onHop?.(told, hop);
      this.exporter.add(told, hop);
      return;
    }
    this.counts.unsampled += 1;
    const kept = this.keeper.active ? this.keeper.reason(record) : undefined;
    if (kept === undefined) return;
    this.counts.kept += 1;
    this.events.onHop?.(told, hop);
    this.exporter.add(told, hop, kept);
  }
}

function isMintedByAgent(hop: Hop | undefined): boolean {
  return hop !== undefined && !hop.mintedByHaproxy && !hop.decidedByHaproxy;
}
