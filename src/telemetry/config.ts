import type { SamplerConfig } from '../context/sampling.ts';
import type { QueryRule } from '../records/redaction.ts';

/** What is made of records, and where it goes: plain data, so that it can be sent to a thread. */
export type TelemetryConfig = {
  /** Samples requests that nobody minted for. */
  readonly sampler: SamplerConfig;
  readonly keep: TailSamplingConfig;
  /** Members of the baggage header that become span attributes of the same name. */
  readonly baggageKeys: readonly string[];
  /** Connections that failed before a request become spans, and are not only counted. */
  readonly connectionErrorSpans: boolean;
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly spanLimits: SpanLimits;
  /** What spans, log records and the page show of queries. */
  readonly queryRule: QueryRule;
  readonly logs: LogsConfig;
  readonly exporters: ExporterConfigs;
  readonly metrics: MetricsConfig;
  /** Spans a batch. */
  readonly batchSize: number;
  /** Bytes a batch, encoded; one hop alone may have more. */
  readonly batchBytes: number;
  /** The longest time that a span waits for its batch to fill, in milliseconds. */
  readonly scheduleDelay: number;
  /** The bounds of what waits for the receiver; the oldest go first beyond either. */
  readonly queueSpans: number;
  readonly queueBytes: number;
};

/** Tail sampling: which hops are exported though their trace was not sampled. */
export type TailSamplingConfig = {
  /** Those that HAProxy or a server failed. */
  readonly errors: boolean;
  /** Those that took longer, in milliseconds; undefined is none. */
  readonly slowerThan: number | undefined;
  /** As many a second, at most. */
  readonly perSecond: number;
};

/** What becomes a log record, where logs are exported. */
export type LogsConfig = {
  /**
   * `sampled`: hops whose spans are exported, and failed ones; `failed`: failed ones alone, and of lines that are of
   * no hop those of a warning or more.
   */
  readonly which: 'all' | 'sampled' | 'failed';
  /** The user's own log line, or a summary of the hop without its query. */
  readonly body: 'line' | 'summary';
  readonly limits: SpanLimits;
  /** Log records a batch. */
  readonly batchSize: number;
  /** The longest time that a log record waits for its batch to fill, in milliseconds. */
  readonly scheduleDelay: number;
  /** How many may wait for the receiver. */
  readonly queueSize: number;
};

/** How much one span, or log record, may have. */
export type SpanLimits = {
  readonly attributeCount: number;
  /** Characters of a string, and of each string in a list; undefined is no limit. */
  readonly attributeValueLength: number | undefined;
};

/** The largest request that a receiver has to accept, uncompressed, by OTLP's specification: less than 64 MiB. Bytes. */
export const MAX_REQUEST = 64 * 1024 * 1024 - 1;

export const SIGNAL_NAMES = ['traces', 'metrics', 'logs'] as const;
export type Signal = (typeof SIGNAL_NAMES)[number];

/** Where each signal goes. */
export type ExporterConfigs = {
  readonly traces: ExporterConfig;
  readonly metrics: MetricsExporterConfig;
  readonly logs: ExporterConfig;
};

/** `prometheus` is the page of the admin listener. */
export type MetricsExporterConfig =
  | { readonly kind: 'none' | 'prometheus' }
  | ({ readonly kind: 'otlp' } & OtlpConfig);

/** How metrics are collected, where they are. */
export type MetricsConfig = {
  /** Milliseconds between two exports. */
  readonly interval: number;
  readonly temporality: TemporalityPreference;
  readonly histogramAggregation: HistogramAggregation;
  readonly exemplarFilter: ExemplarFilter;
};

export const TEMPORALITY_PREFERENCES = ['cumulative', 'delta', 'lowmemory'] as const;
type TemporalityPreference = (typeof TEMPORALITY_PREFERENCES)[number];

export const HISTOGRAM_AGGREGATIONS = [
  'explicit_bucket_histogram',
  'base2_exponential_bucket_histogram',
] as const;
type HistogramAggregation = (typeof HISTOGRAM_AGGREGATIONS)[number];

/** Which measurements may become exemplars. */
export const EXEMPLAR_FILTERS = ['trace_based', 'always_on', 'always_off'] as const;
export type ExemplarFilter = (typeof EXEMPLAR_FILTERS)[number];

export type ExporterConfig =
  | { readonly kind: 'none' | 'console' }
  | ({ readonly kind: 'otlp' } & OtlpConfig);

export const OTLP_PROTOCOLS = ['grpc', 'http/protobuf'] as const;
export type OtlpProtocol = (typeof OTLP_PROTOCOLS)[number];

export type OtlpConfig = {
  readonly protocol: OtlpProtocol;
  /** Over gRPC as in `OTEL_EXPORTER_OTLP_ENDPOINT`; over HTTP the whole URL, or a unix socket. */
  readonly endpoint: string;
  /** For an endpoint without scheme, which gRPC has. */
  readonly insecure: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: 'gzip' | 'none';
  /** Of one attempt, in milliseconds. */
  readonly timeout: number;
  /** Paths of PEM files. */
  readonly certificate: string | undefined;
  readonly clientKey: string | undefined;
  readonly clientCertificate: string | undefined;
  /** Undefined where the receiver is connected to directly. */
  readonly proxy: ProxyConfig | undefined;
};

/** An HTTP proxy that is asked to CONNECT to the receiver, or, for plain HTTP, to pass requests on. */
export type ProxyConfig = {
  /** The environment variable that named it. */
  readonly variable: string;
  /** Host and port. */
  readonly address: string;
  /** `user:password`, as for basic authentication. */
  readonly credentials: string | undefined;
};
