import type { Hop } from '../context/hop.ts';
import type { Sampler } from '../context/sampling.ts';
import { TraceFlag } from '../context/traceparent.ts';
import { isMintedByAgent, mayHaveFailed, RecordHead } from '../records/head.ts';
import { MessageReader } from '../records/message.ts';
import type { HopRecord } from '../records/record.ts';
import { droppedByRing, otherVersion, RecordParser } from '../records/record-parser.ts';
import type { TelemetryConfig } from './config.ts';
import { HopMinter } from './hop-minter.ts';
import type { LogExporter } from './log-exporter.ts';
import type { SpanExporter } from './span-exporter.ts';
import { withBaggage } from './spans/baggage.ts';
import { TailSampler } from './tail-sampling.ts';

/** Counts of lines, by what was done with them. */
export type RecordCounts = {
  /** Hops whose spans went to the exporter. */
  sampled: number;
  unsampled: number;
  /** Of the unsampled, exported by tail sampling: failed or slow. */
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
  private readonly exporter: SpanExporter;
  private readonly logs: LogExporter | undefined;
  private readonly messages = new MessageReader();
  private readonly head = new RecordHead();
  private readonly parser = new RecordParser();
  private readonly hops: HopMinter;
  private readonly tailSampler: TailSampler;
  private readonly baggageKeys: readonly string[];
  private readonly connectionErrorSpans: boolean;
  private readonly events: PipelineEvents;

  constructor(
    config: TelemetryConfig,
    { exporter, logs }: { readonly exporter: SpanExporter; readonly logs: LogExporter | undefined },
    sampler: Sampler,
    events: PipelineEvents,
  ) {
    this.exporter = exporter;
    this.logs = logs;
    this.hops = new HopMinter(sampler);
    this.tailSampler = new TailSampler(config.keep);
    this.baggageKeys = config.baggageKeys;
    this.connectionErrorSpans = config.connectionErrorSpans;
    this.events = events;
  }

  /** A `RecordSink` for all lines of the rings. */
  readonly processLine = (buffer: Buffer, start: number, end: number): void => {
    const dropped = droppedByRing(buffer, start, end);
    if (dropped > 0) {
      this.counts.droppedByHaproxy += dropped;
      this.events.onDroppedByHaproxy(dropped);
      return;
    }
    const hop = this.head.unsampledHop(buffer, start, end);
    if (hop !== -1 && !this.mayWant(buffer, start, end, hop)) {
      this.counts.unsampled += 1;
      if (isMintedByAgent(buffer, hop)) this.counts.minted += 1;
      return;
    }
    const record = this.parser.view(buffer, start, end);
    if (record === undefined) this.processUnusable(buffer, start, end);
    else if (!this.parser.reported) this.processRecord(record);
  };

  /** Whether the line of an unsampled hop may be needed, so that it has to be parsed. */
  private mayWant(buffer: Buffer, start: number, end: number, hop: number): boolean {
    const { parser, events, tailSampler, logs } = this;
    if (events.onRecord !== undefined || logs?.wantsAll === true) return true;
    const wantsFailed = logs !== undefined || tailSampler.errors;
    if (wantsFailed && mayHaveFailed(buffer, hop, end)) return true;
    if (!tailSampler.limitsDuration) return false;
    parser.scan(buffer, start, end);
    return tailSampler.mayBeSlow(parser);
  }

  private processUnusable(buffer: Buffer, start: number, end: number): void {
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

  private processRecord(record: HopRecord): void {
    const { onHop, onRecord } = this.events;
    const hasSpan = record.kind !== 'connection_error' || this.connectionErrorSpans;
    if (record.kind === 'connection_error') this.counts.connectionErrors += 1;
    if (!hasSpan) {
      onRecord?.(record, undefined, false);
      const fate = { exported: false, tailPolicy: undefined, hasSpan };
      this.logs?.hop(record, record.hop ?? this.hops.make(), fate);
      return;
    }
    const hop = record.hop ?? this.hops.make();
    if (isFromAgent(record.hop)) this.counts.minted += 1;
    const isSampled = (hop.traceFlags & TraceFlag.SAMPLED) !== 0;
    const tailPolicy =
      isSampled || !this.tailSampler.active ? undefined : this.tailSampler.decide(record);
    const isExported = isSampled || tailPolicy !== undefined;
    this.counts[isSampled ? 'sampled' : 'unsampled'] += 1;
    if (tailPolicy !== undefined) this.counts.kept += 1;
    onRecord?.(record, hop, isExported);
    if (!isExported && this.logs === undefined) return;
    const described = withBaggage(record, this.baggageKeys);
    if (isExported) {
      onHop?.(described, hop);
      this.exporter.add(described, hop, tailPolicy);
    }
    this.logs?.hop(described, hop, { exported: isExported, tailPolicy, hasSpan });
  }
}

function isFromAgent(hop: Hop | undefined): boolean {
  return hop !== undefined && !hop.mintedByHaproxy && !hop.decidedByHaproxy;
}
