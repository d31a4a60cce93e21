import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Hop } from '../context/hop.ts';
import type { Logger } from '../log.ts';
import type { HopRecord } from '../records/record.ts';
import type { TailPolicy } from './attributes.ts';
import type { TelemetryConfig } from './config.ts';
import { logQueueEvent } from './episodes.ts';
import { Batcher } from './export/batcher.ts';
import { ExporterStatus } from './export/exporter-status.ts';
import { ConsoleOutput, type Output } from './export/output.ts';
import { OtlpSpans } from './otlp/otlp-spans.ts';
import type { SpanScope } from './resource.ts';
import { LimitedSpans } from './spans/limited-spans.ts';
import { ReadableSpans } from './spans/readable-spans.ts';
import { type SpanSink, writeSpans } from './spans/span-writer.ts';

/** Spans of one hop: a batch of 1 is one of 2 where there is a CLIENT span. */
const MOST_SPANS = 2;

/** Where the spans of hops go. */
export class SpanExporter {
  readonly status: ExporterStatus;
  readonly output: Output;
  /** Undefined where spans are not exported. */
  private readonly sink: SpanSink | undefined;

  /** @throws Error when what sends cannot be set up */
  constructor(config: TelemetryConfig, scope: SpanScope, log: Logger) {
    const { spanLimits, batchSize, batchBytes, scheduleDelay, queueSpans, queueBytes } = config;
    const { traces } = config.exporters;
    const status = new ExporterStatus(traces);
    this.status = status;
    if (traces.kind === 'otlp') {
      const spans = new OtlpSpans(scope);
      const queue = { items: queueSpans, bytes: queueBytes };
      this.sink = new LimitedSpans(spans, spanLimits);
      this.output = new Batcher(
        'traces',
        traces,
        spans,
        { batchSize, batchBytes, scheduleDelay, most: MOST_SPANS, queue },
        { status, onEvent: (event) => logQueueEvent(log, status.redacted(event)) },
      );
    } else {
      const spans = new ReadableSpans(scope);
      const console = new ConsoleSpanExporter();
      this.sink = traces.kind === 'console' ? new LimitedSpans(spans, spanLimits) : undefined;
      this.output = new ConsoleOutput(status, () => console.export(spans.drain(), () => {}));
    }
  }

  /** @param tailPolicy for a hop of a trace that was not sampled: the policy that it is exported by */
  add(record: HopRecord, hop: Hop, tailPolicy?: TailPolicy): void {
    const { output, sink } = this;
    if (sink === undefined) return;
    const before = output.begin();
    output.commit(before, writeSpans(sink, record, hop, tailPolicy));
  }
}
