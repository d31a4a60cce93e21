import type { Hop } from '../context/hop.ts';
import { Sampler } from '../context/sampling.ts';
import { TraceFlag } from '../context/traceparent.ts';
import type { Logger } from '../log.ts';
import { AccessLog, droppedByRing, otherVersion } from '../records/access-log.ts';
import { RecordHead } from '../records/head.ts';
import { MessageReader } from '../records/message.ts';
import type { HopRecord } from '../records/record.ts';
import { setQueryRule } from '../records/redaction.ts';
import { RemoteSampling } from '../remote-sampling/remote-sampling.ts';
import { VERSION } from '../version.ts';
import type { TelemetryConfig } from './config.ts';
import {
  createDroppedLog,
  createFaultLog,
  createOtherVersionLog,
  createUnusableLog,
  logQueueEvent,
} from './episodes.ts';
import { ExportWatch } from './export/export-watch.ts';
import { createExporter, type Exporter } from './exporter.ts';
import { HopMaker } from './hops.ts';
import { Keeper, mayHaveFailed } from './keep.ts';
import type { LogExporter } from './log-exporter.ts';
import type { ExporterNumbers } from './metrics/sdk-metrics.ts';
import type { Metrics } from './metrics.ts';
import type { SpanScope } from './resource.ts';
import { createResource } from './resource.ts';
import { withBaggage } from './spans/baggage.ts';

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
  /** Lines without a record, where logs are exported: of frontends that are not traced, and of HAProxy about itself. */
  messages: number;
  /** Other lines that are not records: log lines of another shape, records of another version, or cut too early. */
  unusable: number;
};

export type PipelineEvents = {
  readonly onUnusable: (line: string) => void;
  /** A record that lines of another release wrote. */
  readonly onOtherVersion: (version: number) => void;
  readonly onDroppedByHaproxy: (records: number) => void;
  /** A record whose hop is sampled, before its spans are made. Both are valid during the call only. */
  readonly onHop?: (record: HopRecord, hop: Hop) => void;
  /** Every record, sampled or not; `exported` is whether spans are made of it. */
  readonly onRecord?: (record: HopRecord, hop: Hop | undefined, exported: boolean) => void;
};

/** The telemetry path as the configuration wants it, telling its episodes to `log`, and hops to `onHop`. */
export async function createPipeline(
  config: TelemetryConfig,
  log: Logger,
  onHop?: PipelineEvents['onHop'],
): Promise<{
  pipeline: Pipeline;
  exporter: Exporter;
  /** Undefined where logs are not exported. */
  logs: LogExporter | undefined;
  watch: ExportWatch;
  sampling: RemoteSampling;
  metrics: Metrics | undefined;
}> {
  setQueryRule(config.queryRule);
  const scope = {
    resource: await createResource(config.resourceAttributes),
    instrumentationScope: { name: 'haproxy-otel-spoa', version: VERSION },
  };
  const watch = new ExportWatch(config.exporters.traces);
  const exporter = createExporter(config, scope, watch, (event) => {
    logQueueEvent(log, watch.redacted(event));
  });
  const logs = await createLogExporter(config, scope, log);
  const sampler = new Sampler(config.sampler);
  const sampling = new RemoteSampling(sampler, config.resourceAttributes, log);
  sampling.use(config.sampler);
  const metrics = await createMetrics(config, scope, { exporter, watch, logs }, log);
  const onFault = createFaultLog(log);
  const pipeline = new Pipeline(config, { exporter, logs }, sampler, {
    onUnusable: createUnusableLog(log),
    onOtherVersion: createOtherVersionLog(log),
    onDroppedByHaproxy: createDroppedLog(log),
    ...(onHop && { onHop: guarded(onHop, onFault) }),
    ...(metrics && { onRecord: guarded(metrics.observe.bind(metrics), onFault) }),
  });
  return { pipeline, exporter, logs, watch, sampling, metrics };
}

/** Its code is loaded only where it is wanted, as that of metrics. */
async function createLogExporter(
  config: TelemetryConfig,
  scope: SpanScope,
  log: Logger,
): Promise<LogExporter | undefined> {
  const { logs } = config.exporters;
  if (logs.kind === 'none') return undefined;
  const { LogExporter } = await import('./log-exporter.ts');
  const watch = new ExportWatch(logs);
  return new LogExporter(config, scope, watch, (event) => {
    logQueueEvent(log, watch.redacted(event), 'logs');
  });
}

async function createMetrics(
  config: TelemetryConfig,
  scope: SpanScope,
  {
    exporter,
    watch,
    logs,
  }: {
    readonly exporter: Exporter;
    readonly watch: ExportWatch;
    readonly logs: LogExporter | undefined;
  },
  log: Logger,
): Promise<Metrics | undefined> {
  const { exporters, queueSpans: capacity } = config;
  if (exporters.metrics.kind === 'none') return undefined;
  const { Metrics } = await import('./metrics.ts');
  const numbers: ExporterNumbers[] = [];
  if (exporters.traces.kind === 'otlp') {
    const { protocol } = exporters.traces;
    numbers.push({ signal: 'traces', protocol, counts: exporter.counts, latency: watch.latency });
  }
  if (exporters.logs.kind === 'otlp' && logs !== undefined) {
    const { protocol } = exporters.logs;
    numbers.push({ signal: 'logs', protocol, counts: logs.counts, latency: logs.watch.latency });
  }
  const sources = { exporters: numbers, waiting: () => exporter.waiting, capacity };
  return new Metrics(config, scope, sources, log);
}

/** Who watches hops must not keep them from being exported. */
function guarded<T extends unknown[]>(
  watch: (...hop: T) => void,
  onFault: (error: unknown) => void,
): (...hop: T) => void {
  return (...hop) => {
    try {
      watch(...hop);
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
    messages: 0,
    unusable: 0,
  };
  private readonly exporter: Exporter;
  private readonly logs: LogExporter | undefined;
  private readonly messages = new MessageReader();
  private readonly head = new RecordHead();
  private readonly accessLog = new AccessLog();
  private readonly hops: HopMaker;
  private readonly keeper: Keeper;
  private readonly baggageKeys: readonly string[];
  private readonly connectionErrorSpans: boolean;
  private readonly events: PipelineEvents;

  constructor(
    config: TelemetryConfig,
    { exporter, logs }: { readonly exporter: Exporter; readonly logs: LogExporter | undefined },
    sampler: Sampler,
    events: PipelineEvents,
  ) {
    this.exporter = exporter;
    this.logs = logs;
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
    if (this.head.isUnsampled(buffer, start, end) && !this.mayWant(buffer, start, end)) {
      this.counts.unsampled += 1;
      if (this.head.isMintedByAgent(buffer, start, end)) this.counts.minted += 1;
      return;
    }
    const record = this.accessLog.view(buffer, start, end);
    if (record === undefined) this.takeUnusable(buffer, start, end);
    else if (!this.accessLog.reported) this.takeRecord(record);
  };

  /** Whether a line of a hop that was not sampled is worth a second look. */
  private mayWant(buffer: Buffer, start: number, end: number): boolean {
    const { accessLog, events, keeper, logs } = this;
    if (events.onRecord !== undefined || logs?.wantsAll === true) return true;
    if (logs === undefined && !keeper.active) return false;
    accessLog.scan(buffer, start, end);
    return (logs !== undefined && mayHaveFailed(accessLog)) || keeper.mayKeep(accessLog);
  }

  private takeUnusable(buffer: Buffer, start: number, end: number): void {
    const version = otherVersion(buffer, start, end);
    const isMessage = this.logs !== undefined && version === undefined;
    const message = isMessage ? this.messages.read(buffer, start, end) : undefined;
    if (message !== undefined) {
      this.counts.messages += 1;
      this.logs?.message(message);
      return;
    }
    this.counts.unusable += 1;
    if (version !== undefined) this.events.onOtherVersion(version);
    else this.events.onUnusable(buffer.toString('utf8', start, Math.min(end, start + 200)));
  }

  private takeRecord(record: HopRecord): void {
    const { onHop, onRecord } = this.events;
    const hasSpan = record.kind !== 'connection_error' || this.connectionErrorSpans;
    if (record.kind === 'connection_error') this.counts.connectionErrors += 1;
    if (!hasSpan) {
      onRecord?.(record, undefined, false);
      const fate = { exported: false, kept: undefined, hasSpan };
      this.logs?.hop(record, record.hop ?? this.hops.make(), fate);
      return;
    }
    const hop = record.hop ?? this.hops.make();
    if (isMintedByAgent(record.hop)) this.counts.minted += 1;
    const isSampled = (hop.traceFlags & TraceFlag.SAMPLED) !== 0;
    const kept = isSampled || !this.keeper.active ? undefined : this.keeper.reason(record);
    const isExported = isSampled || kept !== undefined;
    this.counts[isSampled ? 'sampled' : 'unsampled'] += 1;
    if (kept !== undefined) this.counts.kept += 1;
    onRecord?.(record, hop, isExported);
    if (!isExported && this.logs === undefined) return;
    const described = withBaggage(record, this.baggageKeys);
    if (isExported) {
      onHop?.(described, hop);
      this.exporter.add(described, hop, kept);
    }
    this.logs?.hop(described, hop, { exported: isExported, kept, hasSpan });
  }
}

function isMintedByAgent(hop: Hop | undefined): boolean {
  return hop !== undefined && !hop.mintedByHaproxy && !hop.decidedByHaproxy;
}
