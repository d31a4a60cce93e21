import {
  boolean,
  ConfigError,
  type Env,
  endpoint,
  file,
  integerFrom,
  oneOf,
  type Parser,
  read,
} from '../settings.ts';
import type { ExporterConfig, OtlpConfig } from '../telemetry/config.ts';
import { readOtlpHeaders } from './otlp-headers.ts';
import { readProxy } from './proxy.ts';

export function readExporter(env: Env): ExporterConfig {
  const kind = read(env, 'OTEL_TRACES_EXPORTER', 'otlp', oneOf(['otlp', 'console', 'none']));
  return kind === 'otlp' ? { kind: 'otlp', ...readOtlpConfig(env) } : { kind };
}

/** The signal's own variable before the common one. */
function readOtlp<T, D>(env: Env, name: string, fallback: D, parser: Parser<T>): T | D {
  const own = `OTEL_EXPORTER_OTLP_TRACES_${name}`;
  const used = env[own]?.trim() ? own : `OTEL_EXPORTER_OTLP_${name}`;
  return read(env, used, fallback, parser);
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
  const receiver = readOtlp(env, 'ENDPOINT', 'http://localhost:4317', endpoint);
  return {
    endpoint: receiver,
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
    proxy: readProxy(env, receiver),
  };
}
