import { Sampler } from '../context/sampling.ts';
import type { Logger } from '../log.ts';
import { RemoteSampling } from '../remote-sampling/remote-sampling.ts';
import { VERSION } from '../version.ts';
import type { TelemetryConfig } from './config.ts';
import {
  createDroppedLog,
  createFaultLog,
  createOtherVersionLog,
  createUnusableLog,
} from './episodes.ts';
import type { LogExporter } from './log-exporter.ts';
import type { ExporterNumbers } from './metrics/sdk-metrics.ts';
import type { Metrics } from './metrics.ts';
import { Pipeline, type PipelineEvents } from './pipeline.ts';
import { createResource, type SpanScope } from './resource.ts';
import { SpanExporter } from './span-exporter.ts';

/** All that records pass through, and what is asked about it while it runs. */
type TelemetryPath = {
  readonly pipeline: Pipeline;
  readonly spans: SpanExporter;
  /** Undefined where logs are not exported. */
  readonly logs: LogExporter | undefined;
  readonly sampling: RemoteSampling;
  readonly metrics: Metrics | undefined;
};

/** The telemetry path as the configuration wants it: episodes are logged, hops passed to `onHop`. */
export async function createPipeline(
  config: TelemetryConfig,
  log: Logger,
  onHop?: PipelineEvents['onHop'],
): Promise<TelemetryPath> {
  const scope = {
    resource: await createResource(config.resourceAttributes),
    instrumentationScope: { name: 'haproxy-otel-spoa', version: VERSION },
  };
  const spans = new SpanExporter(config, scope, log);
  const logs = await createLogExporter(config, scope, log);
  const sampler = new Sampler(config.sampler);
  const sampling = new RemoteSampling(sampler, config.resourceAttributes, log);
  sampling.use(config.sampler);
  const metrics = await createMetrics(config, scope, spans, logs, log);
  const onFault = createFaultLog(log);
  const pipeline = new Pipeline(config, { exporter: spans, logs }, sampler, {
    onUnusable: createUnusableLog(log),
    onOtherVersion: createOtherVersionLog(log),
    onDroppedByHaproxy: createDroppedLog(log),
    ...(onHop && { onHop: guarded(onHop, onFault) }),
    ...(metrics && { onRecord: guarded(metrics.observe.bind(metrics), onFault) }),
  });
  return { pipeline, spans, logs, sampling, metrics };
}

/** Its code is loaded only where logs are exported. */
async function createLogExporter(
  config: TelemetryConfig,
  scope: SpanScope,
  log: Logger,
): Promise<LogExporter | undefined> {
  if (config.exporters.logs.kind === 'none') return undefined;
  const { LogExporter } = await import('./log-exporter.ts');
  return new LogExporter(config, scope, log);
}

async function createMetrics(
  config: TelemetryConfig,
  scope: SpanScope,
  spans: SpanExporter,
  logs: LogExporter | undefined,
  log: Logger,
): Promise<Metrics | undefined> {
  const { exporters, queueSpans: capacity } = config;
  if (exporters.metrics.kind === 'none') return undefined;
  const { Metrics } = await import('./metrics.ts');
  const numbers = (['traces', 'logs'] as const).flatMap((signal): ExporterNumbers[] => {
    const exporter = signal === 'traces' ? spans : logs;
    const { [signal]: to } = exporters;
    if (to.kind !== 'otlp' || exporter === undefined) return [];
    const { output, status } = exporter;
    return [{ signal, protocol: to.protocol, counts: output.counts, latency: status.latency }];
  });
  const sources = { exporters: numbers, waiting: () => spans.output.waiting, capacity };
  return new Metrics(config, scope, sources, log);
}

/** An error of an observer must not prevent the export of hops. */
function guarded<T extends unknown[]>(
  observe: (...hop: T) => void,
  onFault: (error: unknown) => void,
): (...hop: T) => void {
  return (...hop) => {
    try {
      observe(...hop);
    } catch (error) {
      onFault(error);
    }
  };
}
