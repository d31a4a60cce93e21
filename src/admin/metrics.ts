import { memoryUsage } from 'node:process';
import { getHeapStatistics } from 'node:v8';
import { type Metric, Registry, type RegistryContentType } from 'prom-client';
import type { Buckets } from '../histogram.ts';
import { type Family, histogramSamples } from './family.ts';
import { metricFamilies, outcomeCounts } from './hop-families.ts';
import { decidedBy, LATENCY_BOUNDS } from './mint-snapshot.ts';
import type { AdminSources, OutcomeCount } from './sources.ts';

const PREFIX = 'haproxy_otel_';

/**
 * All metrics as text. Their values are stored elsewhere: each response is written by a registry of its own.
 *
 * @param accept the `Accept` header: OpenMetrics for whoever asks for it, Prometheus' own text otherwise
 */
export async function renderMetrics(
  sources: AdminSources,
  accept: string,
): Promise<{ contentType: string; body: string }> {
  const registry = new Registry<RegistryContentType>();
  if (accept.includes('application/openmetrics-text')) {
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  }
  for (const family of families(sources)) {
    // The library reads name, type and values of a metric; its own metric classes would count by themselves.
    const metric = { ...family, get: async () => metric };
    registry.registerMetric(metric as unknown as Metric);
  }
  return { contentType: registry.contentType, body: await registry.metrics() };
}

function families(sources: AdminSources): Family[] {
  return [
    ...mintFamilies(sources),
    ...recordFamilies(sources),
    ...processFamilies(sources),
    ...(sources.metrics === undefined ? [] : metricFamilies(sources.metrics)),
  ];
}

function mintFamilies(sources: AdminSources): Family[] {
  const mint = sources.mint();
  const decided = decidedBy(mint);
  const latency = { bounds: LATENCY_BOUNDS, counts: mint.latency, sum: mint.latencySum / 1000 };
  return [
    gauge('spop_connections', 'SPOP connections that are open', mint.connectionsOpen),
    counter(
      'spop_handshakes_total',
      'SPOP connections that were agreed on, health checks included',
      {
        kind: { connection: mint.handshakes, healthcheck: mint.healthchecks },
      },
    ),
    counter('spop_connections_failed_total', 'SPOP connections that the agent closed for a fault', {
      reason: { protocol: mint.endedProtocol, unread: mint.endedUnread },
    }),
    counter('notifies_total', 'NOTIFY frames that were answered', mint.notifies),
    histogram(
      'mint_duration_seconds',
      'From reading the chunk with a NOTIFY to writing its ACK',
      latency,
    ),
    counter('contexts_total', 'Requests by what became of their trace context', {
      result: {
        continued: mint.continued,
        started: mint.started,
        restarted: mint.restarted,
        ignored: mint.ignored,
        invalid: mint.invalid,
      },
    }),
    counter('sampling_decisions_total', 'Requests by sampling decision', {
      decision: { sampled: mint.sampled, dropped: decided - mint.sampled },
    }),
    counter(
      'traces_limited_total',
      'Traces that were not sampled because there were too many',
      mint.limited,
    ),
    gauge(
      'minted_unrecorded',
      'Requests minted here minus records of minted hops: those under way, and those that never came',
      mint.minted - sources.records.minted,
    ),
  ];
}

function recordFamilies({ observer, records, spans, exporter, metrics }: AdminSources): Family[] {
  const { exported, dropped, refused, retries } = spans.counts;
  return [
    metrics === undefined
      ? outcomeFamily(
          'Records of finished hops; the outcome of unsampled ones that were not kept is not looked at',
          [
            ...observer.outcomeCounts,
            { outcome: 'unsampled', fault: 'unknown', count: records.unsampled - records.kept },
          ],
        )
      : outcomeFamily('Records of finished hops', outcomeCounts(metrics.hopSeries)),
    counter('records_minted_total', 'Records whose hop an agent minted', records.minted),
    counter(
      'records_kept_total',
      'Hops that were exported though their trace was not sampled',
      records.kept,
    ),
    counter(
      'connection_errors_total',
      'Connections that failed before a request, as in their TLS handshake',
      records.connectionErrors,
    ),
    counter('records_unusable_total', 'Lines that are no records', records.unusable),
    counter(
      'records_dropped_by_haproxy_total',
      'Records that HAProxy dropped, by its own account, because its ring was full',
      records.droppedByHaproxy,
    ),
    histogram(
      'agent_wait_seconds',
      'How long HAProxy waited for the agent, by its own clock, of sampled hops',
      observer.agentWait,
    ),
    gauge('spans_queued', 'Spans that wait for the receiver or are on their way', spans.waiting),
    counter('spans_exported_total', 'Spans that the receiver took', exported),
    counter('spans_dropped_total', 'Spans that were lost', {
      reason: { queue_full: dropped, refused: refused },
    }),
    counter('export_retries_total', 'Batches that were sent again', retries),
    histogram('export_duration_seconds', 'Of one attempt to export a batch', exporter.latency),
    gauge(
      'exporter_up',
      'Whether the receiver takes spans: 0 from a failure or a refusal to the next success',
      exporter.state === 'working' ? 1 : 0,
    ),
    gauge(
      'export_last_success_timestamp_seconds',
      'When the receiver last took a batch, 0 for never',
      (exporter.lastSuccess ?? 0) / 1000,
    ),
  ];
}

function outcomeFamily(help: string, outcomes: readonly OutcomeCount[]): Family {
  return {
    name: `${PREFIX}records_total`,
    help,
    type: 'counter',
    values: outcomes.map(({ outcome, fault, count }) => ({
      value: count,
      labels: { outcome, fault },
    })),
  };
}

function processFamilies({ version, startedAt, mint, delay }: AdminSources): Family[] {
  const main = mint();
  const mintDelay = { p50: main.delayP50, p99: main.delayP99, max: main.delayMax };
  const delays = Object.entries({ mint: mintDelay, telemetry: delay.read() });
  const heaps = { mint: main.heapUsed, telemetry: getHeapStatistics().used_heap_size };
  return [
    {
      name: `${PREFIX}event_loop_delay_seconds`,
      help: 'How late the event loop was, over the last ten seconds',
      type: 'gauge',
      values: delays.flatMap(([thread, times]) =>
        Object.entries(times).map(([stat, milliseconds]) => ({
          value: milliseconds / 1000,
          labels: { thread, stat },
        })),
      ),
    },
    {
      name: `${PREFIX}heap_used_bytes`,
      help: 'Of the JavaScript heap of each thread',
      type: 'gauge',
      values: Object.entries(heaps).map(([thread, value]) => ({ value, labels: { thread } })),
    },
    {
      name: `${PREFIX}build_info`,
      help: 'Which version this is',
      type: 'gauge',
      values: [{ value: 1, labels: { version, node: process.version } }],
    },
    plain('process_resident_memory_bytes', 'gauge', 'Resident memory', memoryUsage.rss()),
    plain('process_start_time_seconds', 'gauge', 'When the process started', startedAt / 1000),
    plain('process_cpu_seconds_total', 'counter', 'CPU time of all threads', cpuSeconds()),
  ];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function plain(name: string, type: 'gauge' | 'counter', help: string, value: number): Family {
  return { name, help, type, values: [{ value, labels: {} }] };
}

function gauge(name: string, help: string, value: number): Family {
  return plain(`${PREFIX}${name}`, 'gauge', help, value);
}

/** One number, or numbers by the values of one label. */
function counter(
  name: string,
  help: string,
  value: number | Readonly<Record<string, Readonly<Record<string, number>>>>,
): Family {
  if (typeof value === 'number') return plain(`${PREFIX}${name}`, 'counter', help, value);
  return {
    name: `${PREFIX}${name}`,
    help,
    type: 'counter',
    values: Object.entries(value).flatMap(([label, numbers]) =>
      Object.entries(numbers).map(([own, number]) => ({ value: number, labels: { [label]: own } })),
    ),
  };
}

function histogram(name: string, help: string, buckets: Buckets): Family {
  const full = `${PREFIX}${name}`;
  return { name: full, help, type: 'histogram', values: histogramSamples(full, buckets) };
}
