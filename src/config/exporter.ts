import { portOf, targetOf, withoutUserInfo } from '../endpoint.ts';
import {
  boolean,
  ConfigError,
  type Env,
  endpoint,
  file,
  httpEndpoint,
  notAccepted,
  oneOf,
  type Parser,
  read,
  readOrWarn,
  timeout,
  type Warn,
} from '../settings.ts';
import {
  type ExporterConfigs,
  OTLP_PROTOCOLS,
  type OtlpConfig,
  type Signal,
} from '../telemetry/config.ts';
import { readOtlpHeaders } from './otlp-headers.ts';
import { readProxy } from './proxy.ts';

/** Where each signal goes. What would send it to somebody else, or to nobody, if it were passed over is refused. */
export function readExporters(env: Env, warn: Warn): ExporterConfigs {
  const heard = new Set<string>();
  // What is set for all signals is read for each.
  const warnOnce: Warn = (setting, reason) => {
    if (heard.has(setting + reason)) return;
    heard.add(setting + reason);
    warn(setting, reason);
  };
  const traces = read(env, 'OTEL_TRACES_EXPORTER', 'otlp', oneOf(['otlp', 'console', 'none']));
  const metrics = read(
    env,
    'OTEL_METRICS_EXPORTER',
    'none',
    oneOf(['otlp', 'prometheus', 'console', 'none']),
  );
  const logs = read(env, 'OTEL_LOGS_EXPORTER', 'none', oneOf(['otlp', 'console', 'none']));
  return {
    traces: traces === 'otlp' ? readOtlpExporter(env, 'traces', warnOnce) : { kind: traces },
    metrics: metrics === 'otlp' ? readOtlpExporter(env, 'metrics', warnOnce) : { kind: metrics },
    logs: logs === 'otlp' ? readOtlpExporter(env, 'logs', warnOnce) : { kind: logs },
  };
}

/** The longest time that exporting one batch may take, of the part that collects them. */
const EXPORT_TIMEOUT = {
  traces: 'OTEL_BSP_EXPORT_TIMEOUT',
  metrics: 'OTEL_METRIC_EXPORT_TIMEOUT',
  logs: 'OTEL_BLRP_EXPORT_TIMEOUT',
} as const;

function readOtlpExporter(
  env: Env,
  signal: Signal,
  warn: Warn,
): { readonly kind: 'otlp' } & OtlpConfig {
  const settings = new OtlpSettings(env, signal, warn);
  const protocol = settings.read('PROTOCOL', 'grpc', oneOf(OTLP_PROTOCOLS));
  const clientKey = settings.read('CLIENT_KEY', undefined, file);
  const clientCertificate = settings.read('CLIENT_CERTIFICATE', undefined, file);
  if ((clientKey === undefined) !== (clientCertificate === undefined)) {
    throw new ConfigError(
      `${settings.name('CLIENT_KEY')} and ${settings.name('CLIENT_CERTIFICATE')}: both or neither is accepted`,
    );
  }
  const receiver =
    protocol === 'grpc'
      ? readGrpcEndpoint(settings, warn)
      : readHttpEndpoint(settings, signal, warn);
  const headers = readOtlpHeaders(env, signal);
  return {
    kind: 'otlp',
    protocol,
    endpoint: receiver,
    insecure: settings.read('INSECURE', false, boolean),
    headers: protocol === 'grpc' ? headers : withoutReserved(headers, settings, warn),
    compression: settings.readOrWarn('COMPRESSION', 'none', oneOf(['gzip', 'none'])),
    timeout: Math.min(
      settings.readOrWarn('TIMEOUT', 10_000, timeout),
      readOrWarn(env, EXPORT_TIMEOUT[signal], 30_000, timeout, warn),
    ),
    certificate: settings.read('CERTIFICATE', undefined, file),
    clientKey,
    clientCertificate,
    proxy: readProxy(env, receiver, protocol),
  };
}

/** `OTEL_EXPORTER_OTLP_…` as one signal has them: its own variable before the common one. */
class OtlpSettings {
  private readonly env: Env;
  private readonly signal: Signal;
  private readonly warn: Warn;

  constructor(env: Env, signal: Signal, warn: Warn) {
    this.env = env;
    this.signal = signal;
    this.warn = warn;
  }

  /** The variable that is in force. */
  name(name: string): string {
    const own = `OTEL_EXPORTER_OTLP_${this.signal.toUpperCase()}_${name}`;
    return this.env[own]?.trim() ? own : `OTEL_EXPORTER_OTLP_${name}`;
  }

  /** Whether the signal's own variable is in force. */
  isOwn(name: string): boolean {
    return this.name(name) !== `OTEL_EXPORTER_OTLP_${name}`;
  }

  read<T, D>(name: string, fallback: D, parser: Parser<T>): T | D {
    return read(this.env, this.name(name), fallback, parser);
  }

  /** For what may be passed over. */
  readOrWarn<T, D>(name: string, fallback: D, parser: Parser<T>): T | D {
    return readOrWarn(this.env, this.name(name), fallback, parser, this.warn);
  }
}

/** Addresses of OTLP over HTTP come from the same documentation as those of gRPC, and nothing answers gRPC there. */
function readGrpcEndpoint(settings: OtlpSettings, warn: Warn): string {
  const url = settings.read('ENDPOINT', 'http://localhost:4317', endpoint);
  const setting = settings.name('ENDPOINT');
  const path = /\/v1\/(traces|metrics|logs)(?=\/?$)/.exec(url)?.[0];
  if (path !== undefined) {
    warn(setting, `gRPC has no path, ${path} is that of OTLP over HTTP: ${targetOf(url)} is used`);
  }
  if (portOf(url) === 4318) {
    warn(setting, '4318 is the port of OTLP over HTTP, that of gRPC is 4317');
  }
  return url;
}

/**
 * The URL that requests go to: the path of the signal is appended to the endpoint of all signals, and that of one signal
 * is used as it is.
 */
function readHttpEndpoint(settings: OtlpSettings, signal: Signal, warn: Warn): string {
  const setting = settings.name('ENDPOINT');
  const text = settings.read('ENDPOINT', 'http://localhost:4318', {
    accepts: httpEndpoint.accepts,
    parse: (value) => {
      const accepted = httpEndpoint.parse(value);
      // A password may be in it.
      if (accepted === undefined) {
        throw notAccepted(setting, withoutUserInfo(value), httpEndpoint.accepts);
      }
      return accepted;
    },
  });
  if (text.startsWith('unix')) return text;
  const url = new URL(text);
  url.hash = '';
  if (portOf(text) === 4317) {
    warn(setting, '4317 is the port of OTLP over gRPC, that of HTTP is 4318');
  }
  const path = `/v1/${signal}`;
  if (settings.isOwn('ENDPOINT')) {
    if (url.pathname === '/') {
      warn(setting, `is used as it is: receivers have ${path} behind the port, mostly`);
    }
    return url.href;
  }
  if (/\/v1\/(traces|metrics|logs)\/?$/.test(url.pathname)) {
    warn(setting, `${path} is appended to it, which has ${url.pathname} already`);
  }
  url.pathname = url.pathname.replace(/\/*$/, path);
  return url.href;
}

/** What the exporter says of its requests by itself. */
const RESERVED =
  /^(content-(type|length|encoding)|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect)$/;

function withoutReserved(
  headers: Readonly<Record<string, string>>,
  settings: OtlpSettings,
  warn: Warn,
): Record<string, string> {
  const names = Object.keys(headers).filter((name) => RESERVED.test(name));
  if (names.length > 0) {
    warn(settings.name('HEADERS'), `${names.join(', ')}: is passed over, it is the exporter's own`);
  }
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}
