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
import type { ExporterConfig, OtlpConfig } from '../telemetry/config.ts';
import { readOtlpHeaders } from './otlp-headers.ts';
import { readProxy } from './proxy.ts';

/** What would send spans to somebody else, or to nobody, if it were passed over is refused. */
export function readExporter(env: Env, warn: Warn): ExporterConfig {
  const kind = read(env, 'OTEL_TRACES_EXPORTER', 'otlp', oneOf(['otlp', 'console', 'none']));
  return kind === 'otlp' ? { kind: 'otlp', ...readOtlpConfig(env, warn) } : { kind };
}

/** The signal's own variable before the common one. */
function otlpName(env: Env, name: string): string {
  const own = `OTEL_EXPORTER_OTLP_TRACES_${name}`;
  return env[own]?.trim() ? own : `OTEL_EXPORTER_OTLP_${name}`;
}

/** @param warn for what may be passed over */
function readOtlp<T, D>(
  env: Env,
  name: string,
  fallback: D,
  parser: Parser<T>,
  warn?: Warn,
): T | D {
  const used = otlpName(env, name);
  return warn === undefined
    ? read(env, used, fallback, parser)
    : readOrWarn(env, used, fallback, parser, warn);
}

function readOtlpConfig(env: Env, warn: Warn): OtlpConfig {
  readOtlp(env, 'PROTOCOL', 'grpc', oneOf(['grpc']));
  const clientKey = readOtlp(env, 'CLIENT_KEY', undefined, file);
  const clientCertificate = readOtlp(env, 'CLIENT_CERTIFICATE', undefined, file);
  if ((clientKey === undefined) !== (clientCertificate === undefined)) {
    throw new ConfigError(
      'OTEL_EXPORTER_OTLP_CLIENT_KEY and OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: both or neither is accepted',
    );
  }
  const receiver = readEndpoint(env, warn);
  return {
    endpoint: receiver,
    insecure: readOtlp(env, 'INSECURE', false, boolean),
    headers: readOtlpHeaders(env),
    compression: readOtlp(env, 'COMPRESSION', 'none', oneOf(['gzip', 'none']), warn),
    timeout: Math.min(
      readOtlp(env, 'TIMEOUT', 10_000, timeout, warn),
      readOrWarn(env, 'OTEL_BSP_EXPORT_TIMEOUT', 30_000, timeout, warn),
    ),
    certificate: readOtlp(env, 'CERTIFICATE', undefined, file),
    clientKey,
    clientCertificate,
    proxy: readProxy(env, receiver),
  };
}

/** Addresses of OTLP over HTTP come from the same documentation as those of gRPC, and nothing answers gRPC there. */
function readEndpoint(env: Env, warn: Warn): string {
  const url = readOtlp(env, 'ENDPOINT', 'http://localhost:4317', endpoint);
  const setting = otlpName(env, 'ENDPOINT');
  if (/\/v1\/traces\/?$/.test(url)) {
    warn(
      setting,
      `gRPC has no path, /v1/traces is that of OTLP over HTTP: ${targetOf(url)} is used`,
    );
  }
  if (portOf(url) === 4318) {
    warn(setting, '4318 is the port of OTLP over HTTP, that of gRPC is 4317');
  }
  return url;
}
