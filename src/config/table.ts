import { SAMPLER_NAMES } from '../context/sampling.ts';
import {
  address,
  addressOrOff,
  anyText,
  boolean,
  endpoint,
  file,
  hostNames,
  integerFrom,
  LONGEST,
  logLevelNamed,
  oneOf,
  type Parser,
  perSecond,
  timeout,
  tokens,
  traceUrlTemplate,
} from '../settings.ts';
import {
  EXEMPLAR_FILTERS,
  HISTOGRAM_AGGREGATIONS,
  MAX_REQUEST,
  OTLP_PROTOCOLS,
  TEMPORALITY_PREFERENCES,
} from '../telemetry/config.ts';
import { queryRule } from './query-rule.ts';

/** What `OTEL_PROPAGATORS` accepts. */
export const PROPAGATOR_NAMES = [
  'tracecontext',
  'baggage',
  'b3',
  'b3multi',
  'jaeger',
  'xray',
  'none',
] as const;

/** One setting of the agent. */
export type Setting = {
  /** What is accepted, and what it stands for. */
  readonly type: Parser<unknown>;
  /** As it would be set; absent where there is none, or another setting decides. */
  readonly default?: string;
  /** The file of `src/config` that reads it. */
  readonly readIn: string;
  /**
   * Whether a running agent adopts a change: `yes`, or `same exporter` where each exporter is of the kind that it was;
   * otherwise a restart does.
   */
  readonly reload?: 'yes' | 'same exporter';
  /** What is never logged: all of the value, the user and password of a URL, or what is in the file. */
  readonly secret?: 'value' | 'user' | 'content';
  /** Refuses a value that cannot be used, as every `HAPROXY_OTEL_…` does: spans would be lost, or go elsewhere. */
  readonly strict?: true;
  /** Each signal has its own before it, as `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. */
  readonly perSignal?: true;
  /** What it is for, in Markdown. */
  readonly description: string;
};

const ms = integerFrom(0, LONGEST);
const count = integerFrom(0);
const path: Parser<string> = { ...anyText, accepts: 'the path of a file' };
const positive = integerFrom(1);
const exporter = oneOf(['otlp', 'console', 'none']);

/**
 * Every setting: what is not here is refused as unknown. The readers, `--help`, reload, the man page and the documentation
 * go by this table.
 */
// biome-ignore format: a table is read by its columns
export const SETTINGS = {
  HAPROXY_OTEL_CONFIG: { type: path, readIn: 'settings-file',
    description: 'file with these settings, one `NAME=value` a line, read again on SIGHUP' },
  HAPROXY_OTEL_SPOP: { type: address, default: '127.0.0.1:12345', readIn: 'config',
    description: 'where HAProxy asks; a host name stands for all addresses that it has' },
  HAPROXY_OTEL_RECORDS: { type: address, default: '127.0.0.1:12346', readIn: 'config',
    description: "where HAProxy's ring sends records; with `host:port`, UDP on the same port for processes that are stopping" },
  HAPROXY_OTEL_ADMIN: { type: addressOrOff, default: '127.0.0.1:12347', readIn: 'admin',
    description: 'health, metrics and the page of live hops; each agent of a host needs its own: one that finds the default taken logs it and goes on without' },
  HAPROXY_OTEL_ADMIN_TOKEN_FILE: { type: file, readIn: 'admin', secret: 'content',
    description: "file with the token that requests to the admin listener must have, needed beyond loopback and unix sockets; systemd's credential `otlp_admin_token` where there is one" },
  HAPROXY_OTEL_ADMIN_HOSTS: { type: hostNames, readIn: 'admin',
    description: "names under which the admin listener is asked, beside addresses, `localhost`, the host's own name and that in `HAPROXY_OTEL_ADMIN`" },
  HAPROXY_OTEL_TRACE_URL: { type: traceUrlTemplate, readIn: 'admin', secret: 'user',
    description: "address of a trace in your tracing backend's UI" },
  HAPROXY_OTEL_MAX_CONNECTIONS: { type: positive, default: '4096', readIn: 'config',
    description: 'SPOP connections at a time, health checks left out' },
  HAPROXY_OTEL_MAX_FRAME_SIZE: { type: integerFrom(256, 16_777_216), default: '65536', readIn: 'config',
    description: "largest SPOP frame, in bytes; HAProxy's own limit is `tune.bufsize` - 4" },
  HAPROXY_OTEL_HELLO_TIMEOUT: { type: integerFrom(1, LONGEST), default: '5000', readIn: 'config',
    description: 'milliseconds from connect to a complete HELLO' },
  HAPROXY_OTEL_TLS_CERTIFICATE: { type: file, readIn: 'listener-tls',
    description: 'PEM file of the certificate that HAProxy sees of the listeners for SPOP and records over TCP, needed beyond loopback; with the next two, see [an agent on another host](remote-agent.md)' },
  HAPROXY_OTEL_TLS_KEY: { type: file, readIn: 'listener-tls', secret: 'content',
    description: 'PEM file of its key' },
  HAPROXY_OTEL_TLS_CLIENT_CA: { type: file, readIn: 'listener-tls',
    description: 'PEM file of the authorities whose certificates HAProxy may show' },
  HAPROXY_OTEL_STOP_TIMEOUT: { type: ms, default: '10000', readIn: 'config',
    description: 'how many milliseconds SIGTERM may take' },

  OTEL_CONFIG_FILE: { type: path, readIn: 'settings-file', reload: 'yes',
    description: "file of OpenTelemetry's declarative configuration, in place of all other `OTEL_…`, see [receivers](receivers.md#a-configuration-file)" },
  OTEL_LOG_LEVEL: { type: logLevelNamed, default: 'info', readIn: 'config', reload: 'yes',
    description: "the least level that the agent's own log has" },
  OTEL_SERVICE_NAME: { type: anyText, default: 'haproxy', readIn: 'resource',
    description: '`service.name` of the resource' },
  OTEL_RESOURCE_ATTRIBUTES: { type: { ...anyText, accepts: 'name=value,name=value, percent-encoded where there is a comma or a percent sign in it,' }, readIn: 'resource',
    description: 'more of the resource; with one pair that is wrong all are dropped. Host and process are detected' },
  OTEL_SDK_DISABLED: { type: boolean, default: 'false', readIn: 'config',
    description: '`true`: headers are set, nothing is exported' },

  OTEL_TRACES_SAMPLER: { type: oneOf(SAMPLER_NAMES), default: 'parentbased_always_on', readIn: 'sampling', reload: 'yes',
    description: 'which new traces are sampled; `probability` and `parentbased_probability` are extensions, which no other SDK has by these names' },
  OTEL_TRACES_SAMPLER_ARG: { type: { ...anyText, accepts: 'what the sampler has' }, default: '1', readIn: 'sampling', reload: 'yes',
    description: 'the ratio, 0 to 1; for samplers that ask a service see [sampling](sampling-and-trust.md#by-a-service)' },
  OTEL_PROPAGATORS: { type: { ...anyText, accepts: `a list of ${PROPAGATOR_NAMES.join(', ')}` }, default: 'tracecontext,b3,jaeger,xray', readIn: 'sampling',
    description: "which formats are read, in this order; `baggage` is HAProxy's, which passes it on; `none` reads nothing" },
  HAPROXY_OTEL_MAX_TRACES_PER_SECOND: { type: perSecond, readIn: 'sampling', reload: 'yes',
    description: 'how many traces this agent starts sampled a second, at most' },
  HAPROXY_OTEL_KEEP_ERRORS: { type: boolean, default: 'false', readIn: 'sampling',
    description: '`true`: hops that a server or HAProxy failed are exported even if not sampled' },
  HAPROXY_OTEL_KEEP_SLOWER_THAN: { type: positive, readIn: 'sampling',
    description: 'milliseconds: hops that took longer are exported even if not sampled' },
  HAPROXY_OTEL_KEEP_PER_SECOND: { type: perSecond, default: '100', readIn: 'sampling',
    description: 'as many of these two, at most' },

  HAPROXY_OTEL_CONNECTION_ERRORS: { type: oneOf(['count', 'span']), default: 'count', readIn: 'config',
    description: '`span`: a connection that failed before its first request, as in its TLS handshake, is a span of its own; otherwise it is only counted' },
  HAPROXY_OTEL_BAGGAGE_KEYS: { type: tokens, readIn: 'config',
    description: 'members of `baggage` that become attributes' },
  HAPROXY_OTEL_QUERY: { type: queryRule, default: 'all', readIn: 'config',
    description: 'what is shown of queries, in spans, log records and on the page' },
  OTEL_ATTRIBUTE_COUNT_LIMIT: { type: count, default: '128', readIn: 'limits',
    description: 'attributes of a span or log record, where its own limit is not set' },
  OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: { type: count, readIn: 'limits',
    description: 'characters of a string, and of each in a list, likewise' },
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: { type: count, readIn: 'config',
    description: 'attributes of a span, at most: those that come last, which are yours, are dropped and counted in the span' },
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: { type: count, readIn: 'config',
    description: 'characters of a string of a span, and of each in a list, at most' },
  OTEL_BSP_SCHEDULE_DELAY: { type: ms, default: '5000', readIn: 'config',
    description: 'the longest wait of a span for its batch, in milliseconds' },
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: { type: positive, default: '2048', readIn: 'config',
    description: 'spans a batch; each call costs as much as some hundred spans, so that fewer cost CPU at thousands of requests a second' },
  OTEL_BSP_MAX_QUEUE_SIZE: { type: positive, default: '131072', readIn: 'config',
    description: "spans that wait for the receiver. The specification's 2048 would be a second of traffic" },
  OTEL_BSP_EXPORT_TIMEOUT: { type: timeout, default: '30000', readIn: 'exporter', reload: 'same exporter',
    description: 'milliseconds; bounds one attempt to send spans, as `OTEL_EXPORTER_OTLP_TIMEOUT` does' },
  HAPROXY_OTEL_QUEUE_BYTES: { type: integerFrom(1_048_576), default: '134217728', readIn: 'config',
    description: 'memory for encoded spans that wait for the receiver' },
  HAPROXY_OTEL_BATCH_BYTES: { type: integerFrom(1_024, MAX_REQUEST), default: '1000000', readIn: 'config',
    description: 'bytes a batch, before compression; one hop that has more goes out alone' },

  OTEL_TRACES_EXPORTER: { type: exporter, default: 'otlp', readIn: 'exporter', strict: true,
    description: 'where spans go' },
  OTEL_METRICS_EXPORTER: { type: oneOf(['otlp', 'prometheus', 'none']), default: 'none', readIn: 'exporter',
    description: "where [metrics](metrics.md) go. The specification's default is `otlp`, which would surprise those who installed a tracing agent" },
  OTEL_LOGS_EXPORTER: { type: exporter, default: 'none', readIn: 'exporter', strict: true,
    description: 'where [log records](logs.md) go' },
  OTEL_EXPORTER_OTLP_PROTOCOL: { type: oneOf(OTLP_PROTOCOLS), default: 'grpc', readIn: 'exporter', reload: 'same exporter', strict: true, perSignal: true,
    description: 'how, see [receivers](receivers.md)' },
  OTEL_EXPORTER_OTLP_ENDPOINT: { type: endpoint, default: 'http://localhost:4317', readIn: 'exporter', reload: 'same exporter', secret: 'user', strict: true, perSignal: true,
    description: 'the receiver; without a port, `http://` is 4317, `https://` and a host alone 443; over HTTP the default is `http://localhost:4318`, and a scheme is needed' },
  OTEL_EXPORTER_OTLP_INSECURE: { type: boolean, default: 'false', readIn: 'exporter', reload: 'same exporter', strict: true, perSignal: true,
    description: 'no TLS, for an endpoint without a scheme' },
  OTEL_EXPORTER_OTLP_HEADERS: { type: { ...anyText, accepts: 'name=value,name=value, values percent-encoded' }, readIn: 'otlp-headers', reload: 'same exporter', secret: 'value', strict: true, perSignal: true,
    description: 'headers for the receiver; those of all signals and those of one are sent both' },
  HAPROXY_OTEL_OTLP_HEADERS_FILE: { type: file, readIn: 'otlp-headers', reload: 'same exporter', secret: 'content',
    description: "file with headers for the receiver, one `name: value` a line; systemd's credential `otlp_headers` where there is one" },
  OTEL_EXPORTER_OTLP_COMPRESSION: { type: oneOf(['gzip', 'none']), default: 'none', readIn: 'exporter', reload: 'same exporter', perSignal: true,
    description: 'of requests to the receiver' },
  OTEL_EXPORTER_OTLP_TIMEOUT: { type: timeout, default: '10000', readIn: 'exporter', reload: 'same exporter', perSignal: true,
    description: 'milliseconds of one attempt; `0` is an hour' },
  OTEL_EXPORTER_OTLP_CERTIFICATE: { type: file, readIn: 'exporter', reload: 'same exporter', strict: true, perSignal: true,
    description: 'PEM file of the authority to trust' },
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: { type: file, readIn: 'exporter', reload: 'same exporter', strict: true, perSignal: true,
    description: "PEM file of the agent's own certificate" },
  OTEL_EXPORTER_OTLP_CLIENT_KEY: { type: file, readIn: 'exporter', reload: 'same exporter', secret: 'content', strict: true, perSignal: true,
    description: 'PEM file of its key' },

  HAPROXY_OTEL_LOGS: { type: oneOf(['all', 'sampled', 'failed']), default: 'all', readIn: 'logs',
    description: 'which hops become log records' },
  HAPROXY_OTEL_LOGS_BODY: { type: oneOf(['line', 'summary']), default: 'line', readIn: 'logs',
    description: 'body of a log record: your log line, or a summary of the hop' },
  OTEL_BLRP_SCHEDULE_DELAY: { type: ms, default: '1000', readIn: 'logs',
    description: 'the longest wait of a log record for its batch, in milliseconds' },
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: { type: positive, default: '2048', readIn: 'logs',
    description: 'log records a batch; `HAPROXY_OTEL_BATCH_BYTES` bounds it, too' },
  OTEL_BLRP_MAX_QUEUE_SIZE: { type: positive, default: '131072', readIn: 'logs',
    description: 'log records that wait for the receiver, the oldest are dropped; `HAPROXY_OTEL_QUEUE_BYTES` bounds them, too' },
  OTEL_BLRP_EXPORT_TIMEOUT: { type: timeout, default: '30000', readIn: 'exporter', reload: 'same exporter',
    description: 'milliseconds; bounds one attempt to send log records, as `OTEL_EXPORTER_OTLP_TIMEOUT` does' },
  OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT: { type: count, readIn: 'logs',
    description: 'attributes of a log record, at most; `OTEL_ATTRIBUTE_COUNT_LIMIT` where it is not set' },
  OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT: { type: count, readIn: 'logs',
    description: 'characters of a value, likewise' },

  OTEL_METRIC_EXPORT_INTERVAL: { type: integerFrom(1, LONGEST), default: '60000', readIn: 'metrics', reload: 'yes',
    description: 'milliseconds between two exports of metrics over OTLP' },
  OTEL_METRIC_EXPORT_TIMEOUT: { type: timeout, default: '30000', readIn: 'exporter', reload: 'same exporter',
    description: 'milliseconds; bounds one attempt to send metrics, as `OTEL_EXPORTER_OTLP_TIMEOUT` does' },
  OTEL_METRICS_EXEMPLAR_FILTER: { type: oneOf(EXEMPLAR_FILTERS), default: 'trace_based', readIn: 'metrics', reload: 'yes',
    description: '`always_on`: hops without spans too; `always_off`: none' },
  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: { type: oneOf(TEMPORALITY_PREFERENCES), default: 'cumulative', readIn: 'metrics',
    description: "`lowmemory`: deltas of hops, and totals of the agent's own" },
  OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: { type: oneOf(HISTOGRAM_AGGREGATIONS), default: 'explicit_bucket_histogram', readIn: 'metrics',
    description: 'buckets of histograms over OTLP; the page has explicit buckets all the same' },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;
type Row<N extends SettingName> = (typeof SETTINGS)[N];
type Parsed<N extends SettingName> = Row<N>['type'] extends Parser<infer T> ? T : never;

/** What a setting is read as: undefined only where it is not set, and has no default. */
export type SettingValue<N extends SettingName> =
  Row<N> extends { readonly default: string } ? Parsed<N> : Parsed<N> | undefined;

export function defaultOf<N extends SettingName>(name: N): SettingValue<N> {
  const { type, default: fallback }: Setting = SETTINGS[name];
  return (fallback === undefined ? undefined : type.parse(fallback)) as SettingValue<N>;
}

/** The row that a variable belongs to, with that of one signal for all: undefined where nobody reads it. */
export function settingOf(variable: string): Setting | undefined {
  const rows: Readonly<Record<string, Setting>> = SETTINGS;
  if (Object.hasOwn(rows, variable)) return rows[variable];
  const common = variable.replace(/^(OTEL_EXPORTER_OTLP_)(TRACES|METRICS|LOGS)_/, '$1');
  const row = Object.hasOwn(rows, common) ? rows[common] : undefined;
  return row?.perSignal ? row : undefined;
}
