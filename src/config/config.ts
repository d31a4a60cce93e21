import type { Propagator } from '../context/propagators.ts';
import type { SamplerConfig } from '../context/sampling.ts';
import type { ListenAddress } from '../listen-address.ts';
import { type Env, type LogLevel, noWarn, type Warn } from '../settings.ts';
import type { ServerLimits } from '../spop/server.ts';
import type { InheritedSockets } from '../systemd/sockets.ts';
import type { ExporterConfigs } from '../telemetry/config.ts';
import type { ThreadConfig } from '../threads/messages.ts';
import { readAdmin } from './admin.ts';
import { loadInWordsOfFile } from './config-file.ts';
import { readExporters } from './exporter.ts';
import { readBatches, readCommonLimits } from './limits.ts';
import { readAddress, readListenerTls } from './listener-tls.ts';
import { readLogs } from './logs.ts';
import { readMetrics, warnOfNoPage } from './metrics.ts';
import { SettingsReader } from './reader.ts';
import { readResource } from './resource.ts';
import { readPropagators, readSampler, readTailSampling } from './sampling.ts';

export type Config = {
  readonly logLevel: LogLevel;
  /** Standard error is the journal. */
  readonly journal: boolean;
  readonly spop: ListenAddress;
  readonly spopLimits: ServerLimits;
  readonly sampler: SamplerConfig;
  /** Propagators that extract callers' contexts, in this order. */
  readonly formats: readonly Propagator[];
  readonly telemetry: ThreadConfig;
  /** The longest time from SIGTERM to the end, in milliseconds. */
  readonly stopTimeout: number;
  /** The environment of the telemetry thread: all but what is in this configuration. */
  readonly threadEnv: Readonly<Record<string, string>>;
};

/** What the process inherited, beside the environment. */
export type Host = { readonly sockets: InheritedSockets; readonly journal: boolean };

/**
 * Reads all settings from `env`. Inherited sockets are used in place of addresses.
 *
 * @param warn called for OpenTelemetry's settings that are ignored because they cannot be used
 * @throws UsageError at the first of the agent's own that cannot be used, or without which spans would be lost
 */
export function loadConfig(
  env: Env,
  host: Host = { sockets: {}, journal: false },
  warn: Warn = noWarn,
): Config {
  return loadInWordsOfFile(env, warn, (worded) => load(env, host, worded));
}

function load(env: Env, { sockets, journal }: Host, warn: Warn): Config {
  const settings = new SettingsReader(env, once(warn));
  const sampler = readSampler(settings);
  const logLevel = settings.read('OTEL_LOG_LEVEL');
  const { queueSize: queueSpans, batchSize } = readBatches(
    settings,
    'OTEL_BSP_MAX_QUEUE_SIZE',
    'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
  );
  const limits = readCommonLimits(settings);
  const tls = readListenerTls(settings);
  const config: Config = {
    logLevel,
    journal,
    spop: inheritedAddress(sockets.spop) ?? readAddress(settings, 'HAPROXY_OTEL_SPOP', tls),
    spopLimits: {
      maxFrameSize: settings.read('HAPROXY_OTEL_MAX_FRAME_SIZE'),
      helloTimeout: settings.read('HAPROXY_OTEL_HELLO_TIMEOUT'),
      maxConnections: settings.read('HAPROXY_OTEL_MAX_CONNECTIONS'),
      maxUnread: 1_048_576,
    },
    sampler,
    formats: readPropagators(settings),
    telemetry: {
      logLevel,
      journal,
      records:
        inheritedAddress(sockets.records, sockets['records-datagram']) ??
        readAddress(settings, 'HAPROXY_OTEL_RECORDS', tls),
      tls,
      sampler,
      keep: readTailSampling(settings),
      baggageKeys: settings.read('HAPROXY_OTEL_BAGGAGE_KEYS') ?? [],
      connectionErrorSpans: settings.read('HAPROXY_OTEL_CONNECTION_ERRORS') === 'span',
      resourceAttributes: readResource(settings),
      spanLimits: {
        attributeCount: settings.read('OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT') ?? limits.attributeCount,
        attributeValueLength:
          settings.read('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT') ?? limits.attributeValueLength,
      },
      queryRule: settings.read('HAPROXY_OTEL_QUERY'),
      logs: readLogs(settings, limits),
      exporters: settings.read('OTEL_SDK_DISABLED') ? NO_EXPORTERS : readExporters(settings),
      metrics: readMetrics(settings),
      queueSpans,
      batchSize,
      batchBytes: settings.read('HAPROXY_OTEL_BATCH_BYTES'),
      scheduleDelay: settings.read('OTEL_BSP_SCHEDULE_DELAY'),
      queueBytes: settings.read('HAPROXY_OTEL_QUEUE_BYTES'),
      admin: readAdmin(settings, inheritedAddress(sockets.admin)),
    },
    stopTimeout: settings.read('HAPROXY_OTEL_STOP_TIMEOUT'),
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

/** What is set for all signals is read for each. */
function once(warn: Warn): Warn {
  const heard = new Set<string>();
  return (setting, reason) => {
    if (heard.has(setting + reason)) return;
    heard.add(setting + reason);
    warn(setting, reason);
  };
}

const NO_EXPORTERS: ExporterConfigs = {
  traces: { kind: 'none' },
  metrics: { kind: 'none' },
  logs: { kind: 'none' },
};

function inheritedAddress(fd: number | undefined, datagrams?: number): ListenAddress | undefined {
  return fd === undefined ? undefined : { kind: 'fd', fd, datagrams };
}
