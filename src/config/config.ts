import type { Format } from '../context/propagation.ts';
import type { SamplerConfig } from '../context/sampling.ts';
import { DEFAULT_ADDRESSES, type ListenAddress } from '../listen.ts';
import {
  address,
  boolean,
  type Env,
  integerFrom,
  LONGEST,
  type LogLevel,
  logLevelNamed,
  noWarn,
  oneOf,
  read,
  readOrWarn,
  tokens,
  type Warn,
} from '../settings.ts';
import type { ServerLimits } from '../spop/server.ts';
import type { InheritedSockets } from '../systemd/sockets.ts';
import { type ExporterConfigs, MAX_REQUEST, type TelemetryConfig } from '../telemetry/config.ts';
import { readAdmin } from './admin.ts';
import { loadInWordsOfFile } from './config-file.ts';
import { readExporters } from './exporter.ts';
import { readBatches, readCommonLimits, readLimits } from './limits.ts';
import { needTls, readListenerTls } from './listener-tls.ts';
import { readLogs, readQueryRule } from './logs.ts';
import { readMetrics, warnOfNoPage } from './metrics.ts';
import { readResource } from './resource.ts';
import { readFormats, readKeep, readSampler } from './sampling.ts';

export type Config = {
  readonly logLevel: LogLevel;
  /** Standard error is the journal. */
  readonly journal: boolean;
  readonly spop: ListenAddress;
  readonly spopLimits: ServerLimits;
  readonly sampler: SamplerConfig;
  /** Where callers' contexts are looked for, in this order. */
  readonly formats: readonly Format[];
  readonly telemetry: TelemetryConfig;
  /** How long SIGTERM may take, in milliseconds. */
  readonly stopTimeout: number;
  /** What the telemetry thread sees of the environment: all but what is in this configuration. */
  readonly threadEnv: Readonly<Record<string, string>>;
};

/** What this process was started with, beside settings. */
export type Host = { readonly sockets: InheritedSockets; readonly journal: boolean };

/**
 * Reads all settings from `env`. Sockets that were handed over are used in place of addresses.
 *
 * @param warn hears of OpenTelemetry's settings that are passed over because they cannot be used
 * @throws ConfigError at the first of the agent's own that cannot be used, or without which spans would be lost
 */
export function loadConfig(
  env: Env,
  host: Host = { sockets: {}, journal: false },
  warn: Warn = noWarn,
): Config {
  return loadInWordsOfFile(env, warn, (worded) => load(env, host, worded));
}

function load(env: Env, host: Host, warn: Warn): Config {
  const { sockets, journal } = host;
  const disabled = readOrWarn(env, 'OTEL_SDK_DISABLED', false, boolean, warn);
  const sampler = readSampler(env, warn);
  const maxFrameSize = read(
    env,
    'HAPROXY_OTEL_MAX_FRAME_SIZE',
    65_536,
    integerFrom(256, 16_777_216),
  );
  const logLevel = readOrWarn(env, 'OTEL_LOG_LEVEL', 'info', logLevelNamed, warn);
  const { queueSize: queueSpans, batchSize } = readBatches(env, warn, {
    queue: 'OTEL_BSP_MAX_QUEUE_SIZE',
    batch: 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
  });
  const limits = readCommonLimits(env, warn);
  const tls = readListenerTls(env);
  const config: Config = {
    logLevel,
    journal,
    spop:
      handedOver(sockets.spop) ??
      needTls(
        'HAPROXY_OTEL_SPOP',
        read(env, 'HAPROXY_OTEL_SPOP', DEFAULT_ADDRESSES.spop, address),
        tls,
      ),
    spopLimits: {
      maxFrameSize,
      helloTimeout: read(env, 'HAPROXY_OTEL_HELLO_TIMEOUT', 5_000, integerFrom(1, LONGEST)),
      maxConnections: read(env, 'HAPROXY_OTEL_MAX_CONNECTIONS', 4_096, integerFrom(1)),
      maxUnread: 1_048_576,
    },
    sampler,
    formats: readFormats(env, warn),
    telemetry: {
      logLevel,
      journal,
      records:
        handedOver(sockets.records, sockets['records-datagram']) ??
        needTls(
          'HAPROXY_OTEL_RECORDS',
          read(env, 'HAPROXY_OTEL_RECORDS', DEFAULT_ADDRESSES.records, address),
          tls,
        ),
      tls,
      sampler,
      keep: readKeep(env),
      baggageKeys: read(env, 'HAPROXY_OTEL_BAGGAGE_KEYS', [], tokens),
      connectionErrorSpans:
        read(env, 'HAPROXY_OTEL_CONNECTION_ERRORS', 'count', oneOf(['count', 'span'])) === 'span',
      resourceAttributes: readResource(env, warn),
      spanLimits: readLimits(
        env,
        warn,
        {
          length: 'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT',
          count: 'OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT',
        },
        limits,
      ),
      queryRule: readQueryRule(env),
      logs: readLogs(env, warn, limits),
      exporters: disabled ? NO_EXPORTERS : readExporters(env, warn),
      metrics: readMetrics(env, warn),
      queueSpans,
      batchSize,
      batchBytes: read(env, 'HAPROXY_OTEL_BATCH_BYTES', 1_000_000, integerFrom(1_024, MAX_REQUEST)),
      scheduleDelay: readOrWarn(
        env,
        'OTEL_BSP_SCHEDULE_DELAY',
        5_000,
        integerFrom(0, LONGEST),
        warn,
      ),
      queueBytes: read(env, 'HAPROXY_OTEL_QUEUE_BYTES', 134_217_728, integerFrom(1_048_576)),
      admin: readAdmin(env, handedOver(sockets.admin)),
    },
    stopTimeout: read(env, 'HAPROXY_OTEL_STOP_TIMEOUT', 10_000, integerFrom(0, LONGEST)),
    threadEnv: Object.fromEntries(
      Object.entries(env).filter(
        (entry): entry is [string, string] =>
          entry[1] !== undefined && !/^(HAPROXY_)?OTEL_/.test(entry[0]),
      ),
    ),
  };
  const { exporters, admin } = config.telemetry;
  warnOfNoPage(exporters.metrics.kind, admin !== undefined, warn);
  return Object.freeze(config);
}

const NO_EXPORTERS: ExporterConfigs = {
  traces: { kind: 'none' },
  metrics: { kind: 'none' },
  logs: { kind: 'none' },
};

function handedOver(fd: number | undefined, datagrams?: number): ListenAddress | undefined {
  return fd === undefined ? undefined : { kind: 'fd', fd, datagrams };
}
