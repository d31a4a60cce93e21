import type { Format } from '../context/propagation.ts';
import type { SamplerConfig } from '../context/sampling.ts';
import { DEFAULT_ADDRESSES, type ListenAddress } from '../listen.ts';
import {
  address,
  boolean,
  ConfigError,
  decodePercent,
  type Env,
  integerFrom,
  type LogLevel,
  logLevelNamed,
  notAccepted,
  oneOf,
  read,
  tokens,
} from '../settings.ts';
import type { ServerLimits } from '../spop/server.ts';
import type { InheritedSockets } from '../systemd/sockets.ts';
import type { TelemetryConfig } from '../telemetry/config.ts';
import { readAdmin } from './admin.ts';
import { readExporter } from './exporter.ts';
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
 * @throws ConfigError at the first setting that cannot be used
 */
export function loadConfig(env: Env, host: Host = { sockets: {}, journal: false }): Config {
  const { sockets, journal } = host;
  const disabled = read(env, 'OTEL_SDK_DISABLED', false, boolean);
  const queueSpans = read(env, 'OTEL_BSP_MAX_QUEUE_SIZE', 131_072, integerFrom(1));
  const batchDefault = Math.min(2_048, queueSpans);
  const batchSize = read(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', batchDefault, integerFrom(1));
  if (batchSize > queueSpans) {
    throw new ConfigError(
      `OTEL_BSP_MAX_EXPORT_BATCH_SIZE is ${batchSize}: at most OTEL_BSP_MAX_QUEUE_SIZE, ${queueSpans}, is accepted`,
    );
  }
  const sampler = readSampler(env);
  const maxFrameSize = read(
    env,
    'HAPROXY_OTEL_MAX_FRAME_SIZE',
    65_536,
    integerFrom(256, 16_777_216),
  );
  const logLevel = read(env, 'OTEL_LOG_LEVEL', 'info', logLevelNamed);
  const config: Config = {
    logLevel,
    journal,
    spop:
      handedOver(sockets.spop) ?? read(env, 'HAPROXY_OTEL_SPOP', DEFAULT_ADDRESSES.spop, address),
    spopLimits: {
      maxFrameSize,
      helloTimeout: read(env, 'HAPROXY_OTEL_HELLO_TIMEOUT', 5_000, integerFrom(1, 3_600_000)),
      maxConnections: read(env, 'HAPROXY_OTEL_MAX_CONNECTIONS', 4_096, integerFrom(1)),
      maxUnread: 1_048_576,
    },
    sampler,
    formats: readFormats(env),
    telemetry: {
      logLevel,
      journal,
      records:
        handedOver(sockets.records, sockets['records-datagram']) ??
        read(env, 'HAPROXY_OTEL_RECORDS', DEFAULT_ADDRESSES.records, address),
      sampler,
      keep: readKeep(env),
      baggageKeys: read(env, 'HAPROXY_OTEL_BAGGAGE_KEYS', [], tokens),
      connectionErrorSpans:
        read(env, 'HAPROXY_OTEL_CONNECTION_ERRORS', 'count', oneOf(['count', 'span'])) === 'span',
      resourceAttributes: readResource(env),
      exporter: disabled ? { kind: 'none' } : readExporter(env),
      batchSize,
      batchBytes: read(env, 'HAPROXY_OTEL_BATCH_BYTES', 1_000_000, integerFrom(1_024)),
      scheduleDelay: read(env, 'OTEL_BSP_SCHEDULE_DELAY', 5_000, integerFrom(0, 3_600_000)),
      queueSpans,
      queueBytes: read(env, 'HAPROXY_OTEL_QUEUE_BYTES', 134_217_728, integerFrom(1_048_576)),
      admin: readAdmin(env, handedOver(sockets.admin)),
    },
    stopTimeout: read(env, 'HAPROXY_OTEL_STOP_TIMEOUT', 10_000, integerFrom(0, 3_600_000)),
    threadEnv: Object.fromEntries(
      Object.entries(env).filter(
        (entry): entry is [string, string] =>
          entry[1] !== undefined && !/^(HAPROXY_)?OTEL_/.test(entry[0]),
      ),
    ),
  };
  return Object.freeze(config);
}

function handedOver(fd: number | undefined, datagrams?: number): ListenAddress | undefined {
  return fd === undefined ? undefined : { kind: 'fd', fd, datagrams };
}

function readResource(env: Env): Record<string, string> {
  const attributes: Record<string, string> = { 'service.name': 'haproxy' };
  const text = env.OTEL_RESOURCE_ATTRIBUTES?.trim() ?? '';
  for (const pair of text.split(',').filter((part) => part.trim() !== '')) {
    const [name = '', value, ...rest] = pair.split('=');
    const decoded = value === undefined ? undefined : decodePercent(value.trim());
    if (name.trim() === '' || decoded === undefined || rest.length > 0) {
      throw notAccepted(
        'OTEL_RESOURCE_ATTRIBUTES',
        pair.trim(),
        'name=value,name=value with values percent-encoded',
      );
    }
    attributes[name.trim()] = decoded;
  }
  const serviceName = env.OTEL_SERVICE_NAME?.trim();
  if (serviceName) attributes['service.name'] = serviceName;
  return attributes;
}
