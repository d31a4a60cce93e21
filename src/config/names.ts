const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** What the agent reads; docs/configuration.md explains each. */
const OWN = words(`
  HAPROXY_OTEL_CONFIG HAPROXY_OTEL_SPOP HAPROXY_OTEL_RECORDS HAPROXY_OTEL_ADMIN HAPROXY_OTEL_ADMIN_TOKEN_FILE
  HAPROXY_OTEL_ADMIN_HOSTS HAPROXY_OTEL_TRACE_URL HAPROXY_OTEL_MAX_CONNECTIONS HAPROXY_OTEL_MAX_FRAME_SIZE
  HAPROXY_OTEL_HELLO_TIMEOUT HAPROXY_OTEL_TLS_CERTIFICATE HAPROXY_OTEL_TLS_KEY HAPROXY_OTEL_TLS_CLIENT_CA
  HAPROXY_OTEL_QUEUE_BYTES HAPROXY_OTEL_BATCH_BYTES HAPROXY_OTEL_CONNECTION_ERRORS
  HAPROXY_OTEL_MAX_TRACES_PER_SECOND HAPROXY_OTEL_KEEP_ERRORS HAPROXY_OTEL_KEEP_SLOWER_THAN
  HAPROXY_OTEL_KEEP_PER_SECOND HAPROXY_OTEL_BAGGAGE_KEYS HAPROXY_OTEL_OTLP_HEADERS_FILE HAPROXY_OTEL_STOP_TIMEOUT
  OTEL_CONFIG_FILE OTEL_LOG_LEVEL OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG
  OTEL_PROPAGATORS OTEL_TRACES_EXPORTER OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER OTEL_SDK_DISABLED
  OTEL_BSP_SCHEDULE_DELAY OTEL_BSP_MAX_EXPORT_BATCH_SIZE OTEL_METRIC_EXPORT_TIMEOUT OTEL_BLRP_EXPORT_TIMEOUT
  OTEL_METRIC_EXPORT_INTERVAL OTEL_METRICS_EXEMPLAR_FILTER OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE
  OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
  OTEL_BSP_MAX_QUEUE_SIZE OTEL_BSP_EXPORT_TIMEOUT OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_ATTRIBUTE_COUNT_LIMIT
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT
  HAPROXY_OTEL_LOGS HAPROXY_OTEL_LOGS_BODY HAPROXY_OTEL_QUERY OTEL_BLRP_SCHEDULE_DELAY OTEL_BLRP_MAX_QUEUE_SIZE
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT
  OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT`);

/** What OTLP exporters have for all signals as `OTEL_EXPORTER_OTLP_…`, and for one as `OTEL_EXPORTER_OTLP_TRACES_…`. */
const OTLP = words(`
  PROTOCOL ENDPOINT INSECURE HEADERS COMPRESSION TIMEOUT CERTIFICATE CLIENT_KEY CLIENT_CERTIFICATE`);

const otlpNames = (signal: string): readonly string[] =>
  OTLP.map((name) => `OTEL_EXPORTER_OTLP_${signal}${name}`);

/** What OpenTelemetry's specification has for other signals, exporters and ways of configuration. */
const UNUSED = new Set([
  ...words(`
    OTEL_EXPERIMENTAL_CONFIG_FILE OTEL_ENTITIES OTEL_SPAN_EVENT_COUNT_LIMIT
    OTEL_SPAN_LINK_COUNT_LIMIT OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT OTEL_LINK_ATTRIBUTE_COUNT_LIMIT
    OTEL_EXPORTER_ZIPKIN_ENDPOINT OTEL_EXPORTER_ZIPKIN_TIMEOUT OTEL_EXPORTER_PROMETHEUS_HOST
    OTEL_EXPORTER_PROMETHEUS_PORT`),
]);

export const SETTINGS: readonly string[] = [...OWN, ...otlpNames('')];
const USED = new Set([...SETTINGS, ...['TRACES_', 'METRICS_', 'LOGS_'].flatMap(otlpNames)]);

/** Whether the agent reads it, the specification has it for what the agent does not do, or nobody knows it. */
export function useOf(name: string): 'used' | 'unused' | 'unknown' {
  return USED.has(name) ? 'used' : UNUSED.has(name) ? 'unused' : 'unknown';
}

/** The setting that is spelled most like `name`, with as many letters to change as `most`. */
export function nearestSetting(name: string, most: number): string | undefined {
  let nearest: string | undefined;
  let least = most + 1;
  for (const candidate of USED) {
    const prefix = isHaproxys(name) === isHaproxys(candidate) ? 0 : 1;
    const distance = prefix + editDistance(withoutPrefix(name), withoutPrefix(candidate));
    if (distance >= least) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

const isHaproxys = (name: string): boolean => name.startsWith('HAPROXY_');
const withoutPrefix = (name: string): string => name.replace(/^HAPROXY_/, '');

/** Levenshtein's: letters to insert, remove or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
