import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type AdminConfig, isLoopback } from './admin/config.ts';
import { FORMATS, type Format } from './context/propagation.ts';
import { SAMPLER_NAMES, type SamplerConfig } from './context/sampling.ts';
import { formatAddress, type ListenAddress } from './listen.ts';
import { readOtlpHeaders } from './otlp-headers.ts';
import {
  address,
  addressOrOff,
  boolean,
  ConfigError,
  decodePercent,
  type Env,
  endpoint,
  file,
  hostNames,
  integerFrom,
  type LogLevel,
  listOf,
  logLevelNamed,
  notAccepted,
  oneOf,
  type Parser,
  perSecond,
  ratio,
  read,
  tcp,
  tokens,
  traceUrlTemplate,
} from './settings.ts';
import type { ServerLimits } from './spop/server.ts';
import type { InheritedSockets } from './systemd/sockets.ts';
import type {
  ExporterConfig,
  KeepConfig,
  OtlpConfig,
  TelemetryConfig,
} from './telemetry/config.ts';

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

/** Command-line flags; each has the environment variable of the same meaning. */
export const FLAGS = {
  config: 'HAPROXY_OTEL_CONFIG',
  spop: 'HAPROXY_OTEL_SPOP',
  records: 'HAPROXY_OTEL_RECORDS',
  admin: 'HAPROXY_OTEL_ADMIN',
  'log-level': 'OTEL_LOG_LEVEL',
} as const;

export type CommandLine = {
  readonly command: string;
  readonly help: boolean;
  readonly version: boolean;
  readonly once: boolean;
  /** Flags as the environment variables they stand for. */
  readonly settings: Env;
};

/** @throws ConfigError for an unknown flag or a missing value */
export function parseCommandLine(args: readonly string[]): CommandLine {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
        once: { type: 'boolean', default: false },
        config: { type: 'string' },
        spop: { type: 'string' },
        records: { type: 'string' },
        admin: { type: 'string' },
        'log-level': { type: 'string' },
      },
    });
    const [command = 'run', ...rest] = positionals;
    if (rest.length > 0) throw new ConfigError(`unexpected argument "${rest[0]}"`);
    const settings: Record<string, string> = {};
    for (const [flag, variable] of Object.entries(FLAGS)) {
      const value = values[flag as keyof typeof FLAGS];
      if (value !== undefined) settings[variable] = value;
    }
    return {
      command,
      help: values.help,
      version: values.version,
      once: values.once,
      settings,
    };
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof TypeError)) throw error;
    throw new ConfigError(error.message.split('. ', 1)[0] ?? error.message);
  }
}

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
  // Each call costs as much as some hundred spans.
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
      handedOver(sockets.spop) ?? read(env, 'HAPROXY_OTEL_SPOP', tcp('127.0.0.1', 12_345), address),
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
        read(env, 'HAPROXY_OTEL_RECORDS', tcp('127.0.0.1', 12_346), address),
      sampler,
      keep: readKeep(env),
      baggageKeys: read(env, 'HAPROXY_OTEL_BAGGAGE_KEYS', [], tokens),
      connectionErrorSpans:
        read(env, 'HAPROXY_OTEL_CONNECTION_ERRORS', 'count', oneOf(['count', 'span'])) === 'span',
      resourceAttributes: readResource(env),
      exporter: disabled ? { kind: 'none' } : readExporter(env),
      batchSize,
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

/** The signal's own variable before the common one. */
function readOtlp<T, D>(env: Env, name: string, fallback: D, parser: Parser<T>): T | D {
  const own = `OTEL_EXPORTER_OTLP_TRACES_${name}`;
  const used = env[own]?.trim() ? own : `OTEL_EXPORTER_OTLP_${name}`;
  return read(env, used, fallback, parser);
}

function readSampler(env: Env): SamplerConfig {
  const name = read(env, 'OTEL_TRACES_SAMPLER', 'parentbased_always_on', oneOf(SAMPLER_NAMES));
  const takesRatio = /(traceidratio|probability)$/.test(name);
  return {
    name,
    ratio: takesRatio ? read(env, 'OTEL_TRACES_SAMPLER_ARG', 1, ratio) : 1,
    maxTracesPerSecond: read(env, 'HAPROXY_OTEL_MAX_TRACES_PER_SECOND', undefined, perSecond),
  };
}

const PROPAGATORS = ['tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'xray', 'none'] as const;

/** Both encodings of B3 are read by either name; baggage is HAProxy's, which passes it on. */
function readFormats(env: Env): readonly Format[] {
  const names: readonly string[] = read(env, 'OTEL_PROPAGATORS', FORMATS, listOf(PROPAGATORS));
  if (names.length > 1 && names.includes('none')) {
    throw notAccepted('OTEL_PROPAGATORS', env.OTEL_PROPAGATORS ?? '', 'none alone');
  }
  const formats = names.map((name) => (name === 'b3multi' ? 'b3' : name));
  return [...new Set(formats)].filter((name): name is Format =>
    FORMATS.some((format) => format === name),
  );
}

/** Which hops of traces that are not sampled are exported all the same. */
function readKeep(env: Env): KeepConfig {
  return {
    errors: read(env, 'HAPROXY_OTEL_KEEP_ERRORS', false, boolean),
    slowerThan: read(env, 'HAPROXY_OTEL_KEEP_SLOWER_THAN', undefined, integerFrom(1)),
    perSecond: read(env, 'HAPROXY_OTEL_KEEP_PER_SECOND', 100, perSecond),
  };
}

function readAdmin(env: Env, given: ListenAddress | undefined): AdminConfig | undefined {
  const set = read(env, 'HAPROXY_OTEL_ADMIN', tcp('127.0.0.1', 12_347), addressOrOff);
  const tokenFile = read(env, 'HAPROXY_OTEL_ADMIN_TOKEN_FILE', undefined, file);
  const hosts = read(env, 'HAPROXY_OTEL_ADMIN_HOSTS', [], hostNames);
  const traceUrl = read(env, 'HAPROXY_OTEL_TRACE_URL', undefined, traceUrlTemplate);
  const where = given ?? set;
  if (where === 'off') return undefined;
  if (where.kind === 'tcp' && !isLoopback(where.host) && tokenFile === undefined) {
    throw new ConfigError(
      `HAPROXY_OTEL_ADMIN is "${formatAddress(where)}": beyond loopback and unix sockets HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed`,
    );
  }
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  return { address: where, token, hosts, traceUrl };
}

/** The shortest token that cannot be guessed: 128 bits in base64. */
const LEAST_TOKEN = 22;

/** The value is never told. */
function readToken(path: string): string {
  const token = readFileSync(path, 'utf8').trim();
  if (token.length >= LEAST_TOKEN && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new ConfigError(
    `HAPROXY_OTEL_ADMIN_TOKEN_FILE is "${path}": one line of ${LEAST_TOKEN} or more visible characters is accepted`,
  );
}

function readExporter(env: Env): ExporterConfig {
  const kind = read(env, 'OTEL_TRACES_EXPORTER', 'otlp', oneOf(['otlp', 'console', 'none']));
  return kind === 'otlp' ? { kind: 'otlp', ...readOtlpConfig(env) } : { kind };
}

function readOtlpConfig(env: Env): OtlpConfig {
  readOtlp(env, 'PROTOCOL', 'grpc', oneOf(['grpc']));
  const clientKey = readOtlp(env, 'CLIENT_KEY', undefined, file);
  const clientCertificate = readOtlp(env, 'CLIENT_CERTIFICATE', undefined, file);
  if ((clientKey === undefined) !== (clientCertificate === undefined)) {
    throw new ConfigError(
      'OTEL_EXPORTER_OTLP_CLIENT_KEY and OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: both or neither is accepted',
    );
  }
  return {
    endpoint: readOtlp(env, 'ENDPOINT', 'http://localhost:4317', endpoint),
    insecure: readOtlp(env, 'INSECURE', false, boolean),
    headers: readOtlpHeaders(env),
    compression: readOtlp(env, 'COMPRESSION', 'none', oneOf(['gzip', 'none'])),
    timeout: Math.min(
      readOtlp(env, 'TIMEOUT', 10_000, integerFrom(1, 3_600_000)),
      read(env, 'OTEL_BSP_EXPORT_TIMEOUT', 30_000, integerFrom(1, 3_600_000)),
    ),
    certificate: readOtlp(env, 'CERTIFICATE', undefined, file),
    clientKey,
    clientCertificate,
  };
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
