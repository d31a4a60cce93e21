import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Hop } from '../context/hop.ts';
import type { Logger } from '../log.ts';
import type { HopRecord } from '../records/record.ts';
import type { Kept } from './attributes.ts';
import type { TelemetryConfig } from './config.ts';
import { logQueueEvent } from './episodes.ts';
import { Batcher } from './export/batcher.ts';
import { ExportWatch } from './export/export-watch.ts';
import { ConsoleOutput, type Output } from './export/output.ts';
import { OtlpSpans } from './otlp/otlp-spans.ts';
import type { SpanScope } from './resource.ts';
import { LimitedSpans } from './spans/limited-spans.ts';
import { ReadableSpans } from './spans/readable-spans.ts';
import { type SpanSink, tellSpans } from './spans/spans.ts';

/** Spans of one hop: a batch of 1 is one of 2 where there is a CLIENT span. */
const MOST_SPANS = 2;

/** Where the spans of hops go. */
export class SpanExporter {
  readonly watch: ExportWatch;
  readonly output: Output;
  /** Undefined where spans are not exported. */
  private readonly sink: SpanSink | undefined;

  /** @throws Error when what sends cannot be set up */
  constructor(config: TelemetryConfig, scope: SpanScope, log: Logger) {
    const { spanLimits, batchSize, batchBytes, scheduleDelay, queueSpans, queueBytes } = config;
    const { traces } = config.exporters;
    const watch = new ExportWatch(traces);
    this.watch = watch;
    if (traces.kind === 'otlp') {
      const spans = new OtlpSpans(scope);
      const queue = { items: queueSpans, bytes: queueBytes };
      this.sink = new LimitedSpans(spans, spanLimits);
      this.output = new Batcher(
        'traces',
        traces,
        spans,
        { batchSize, batchBytes, scheduleDelay, most: MOST_SPANS, queue },
        { watch, onEvent: (event) => logQueueEvent(log, watch.redacted(event)) },
      );
    } else {
      const spans = new ReadableSpans(scope);
      const console = new ConsoleSpanExporter();
      this.sink = traces.kind === 'console' ? new LimitedSpans(spans, spanLimits) : undefined;
      this.output = new ConsoleOutput(() => console.export(spans.take(), () => {}));
    }
  }

  /** @param kept for a hop of a trace that was not sampled: why it is exported all the same */
  add(record: HopRecord, hop: Hop, kept?: Kept): void {
    const { output, sink } = this;
    if (sink === undefined) return;
    const before = output.begin();
    output.wrote(before, tellSpans(sink, record, hop, kept));
  }
}
