import { portOf, targetOf } from '../endpoint.ts';
import {
  boolean,
  ConfigError,
  type Env,
  endpoint,
  file,
  oneOf,
  type Parser,
  read,
  readOrWarn,
  timeout,
  type Warn,
} from '../settings.ts';
import type { ExporterConfigs, OtlpConfig, Signal } from '../telemetry/config.ts';
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
  settings.read('PROTOCOL', 'grpc', oneOf(['grpc']));
  const clientKey = settings.read('CLIENT_KEY', undefined, file);
  const clientCertificate = settings.read('CLIENT_CERTIFICATE', undefined, file);
  if ((clientKey === undefined) !== (clientCertificate === undefined)) {
    throw new ConfigError(
      `${settings.name('CLIENT_KEY')} and ${settings.name('CLIENT_CERTIFICATE')}: both or neither is accepted`,
    );
  }
  const receiver = readEndpoint(settings, warn);
  return {
    kind: 'otlp',
    endpoint: receiver,
    insecure: settings.read('INSECURE', false, boolean),
    headers: readOtlpHeaders(env, signal),
    compression: settings.readOrWarn('COMPRESSION', 'none', oneOf(['gzip', 'none'])),
    timeout: Math.min(
      settings.readOrWarn('TIMEOUT', 10_000, timeout),
      readOrWarn(env, EXPORT_TIMEOUT[signal], 30_000, timeout, warn),
    ),
    certificate: settings.read('CERTIFICATE', undefined, file),
    clientKey,
    clientCertificate,
    proxy: readProxy(env, receiver),
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

  read<T, D>(name: string, fallback: D, parser: Parser<T>): T | D {
    return read(this.env, this.name(name), fallback, parser);
  }

  /** For what may be passed over. */
  readOrWarn<T, D>(name: string, fallback: D, parser: Parser<T>): T | D {
    return readOrWarn(this.env, this.name(name), fallback, parser, this.warn);
  }
}

/** Addresses of OTLP over HTTP come from the same documentation as those of gRPC, and nothing answers gRPC there. */
function readEndpoint(settings: OtlpSettings, warn: Warn): string {
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
