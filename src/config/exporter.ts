import { portOf, targetOf } from '../endpoint.ts';
import { httpEndpoint, UsageError } from '../settings.ts';
import type { ExporterConfigs, OtlpConfig, Signal } from '../telemetry/config.ts';
import { readOtlpHeaders } from './otlp-headers.ts';
import { readProxy } from './proxy.ts';
import type { SettingsReader } from './reader.ts';

/** Where each signal goes. A setting is refused where ignoring it would send the signal elsewhere, or nowhere. */
export function readExporters(settings: SettingsReader): ExporterConfigs {
  const traces = settings.read('OTEL_TRACES_EXPORTER');
  const metrics = settings.read('OTEL_METRICS_EXPORTER');
  const logs = settings.read('OTEL_LOGS_EXPORTER');
  return {
    traces: traces === 'otlp' ? readOtlpExporter(settings, 'traces') : { kind: traces },
    metrics: metrics === 'otlp' ? readOtlpExporter(settings, 'metrics') : { kind: metrics },
    logs: logs === 'otlp' ? readOtlpExporter(settings, 'logs') : { kind: logs },
  };
}

/** The timeout of exporting one batch, of the batch processor or metric reader. */
const EXPORT_TIMEOUT = {
  traces: 'OTEL_BSP_EXPORT_TIMEOUT',
  metrics: 'OTEL_METRIC_EXPORT_TIMEOUT',
  logs: 'OTEL_BLRP_EXPORT_TIMEOUT',
} as const;

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';

function readOtlpExporter(
  common: SettingsReader,
  signal: Signal,
): { readonly kind: 'otlp' } & OtlpConfig {
  const settings = common.of(signal);
  const protocol = settings.read('OTEL_EXPORTER_OTLP_PROTOCOL');
  const clientKey = settings.read('OTEL_EXPORTER_OTLP_CLIENT_KEY');
  const clientCertificate = settings.read('OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE');
  if ((clientKey === undefined) !== (clientCertificate === undefined)) {
    throw new UsageError(
      `${settings.nameOf('OTEL_EXPORTER_OTLP_CLIENT_KEY')} and ${settings.nameOf('OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE')}: both or neither is accepted`,
    );
  }
  const receiver =
    protocol === 'grpc' ? readGrpcEndpoint(settings) : readHttpEndpoint(settings, signal);
  const headers = readOtlpHeaders(common, signal);
  return {
    kind: 'otlp',
    protocol,
    endpoint: receiver,
    insecure: settings.read('OTEL_EXPORTER_OTLP_INSECURE'),
    headers: protocol === 'grpc' ? headers : withoutReserved(headers, settings),
    compression: settings.read('OTEL_EXPORTER_OTLP_COMPRESSION'),
    timeout: Math.min(
      settings.read('OTEL_EXPORTER_OTLP_TIMEOUT'),
      settings.read(EXPORT_TIMEOUT[signal]),
    ),
    certificate: settings.read('OTEL_EXPORTER_OTLP_CERTIFICATE'),
    clientKey,
    clientCertificate,
    proxy: readProxy(settings.env, receiver, protocol),
  };
}

/** Addresses of OTLP over HTTP come from the same documentation as those of gRPC, and nothing answers gRPC there. */
function readGrpcEndpoint(settings: SettingsReader): string {
  const url = settings.read(ENDPOINT);
  const setting = settings.nameOf(ENDPOINT);
  const path = /\/v1\/(traces|metrics|logs)(?=\/?$)/.exec(url)?.[0];
  if (path !== undefined) {
    settings.warn(
      setting,
      `gRPC has no path, ${path} is that of OTLP over HTTP: ${targetOf(url)} is used`,
    );
  }
  if (portOf(url) === 4318) {
    settings.warn(setting, '4318 is the port of OTLP over HTTP, that of gRPC is 4317');
  }
  const isHostAlone = portOf(url) === undefined && !/^(unix|https?):/i.test(url);
  if (isHostAlone && !settings.read('OTEL_EXPORTER_OTLP_INSECURE')) {
    settings.warn(setting, `has neither scheme nor port: https://${targetOf(url)}:443 is used`);
  }
  return url;
}

/**
 * The URL that requests go to: the path of the signal is appended to the endpoint of all signals, and that of one signal
 * is used as it is.
 */
function readHttpEndpoint(settings: SettingsReader, signal: Signal): string {
  const setting = settings.nameOf(ENDPOINT);
  const text = settings.readAs(ENDPOINT, httpEndpoint, 'http://localhost:4318');
  if (text.startsWith('unix')) return text;
  const url = new URL(text);
  url.hash = '';
  if (portOf(text) === 4317) {
    settings.warn(setting, '4317 is the port of OTLP over gRPC, that of HTTP is 4318');
  }
  const path = `/v1/${signal}`;
  if (setting !== ENDPOINT) {
    if (url.pathname === '/') {
      settings.warn(setting, `is used as it is: receivers have ${path} behind the port, mostly`);
    }
    return url.href;
  }
  if (/\/v1\/(traces|metrics|logs)\/?$/.test(url.pathname)) {
    settings.warn(setting, `${path} is appended to it, which has ${url.pathname} already`);
  }
  url.pathname = url.pathname.replace(/\/*$/, path);
  return url.href;
}

/** Headers that the exporter sets itself. */
const RESERVED =
  /^(content-(type|length|encoding)|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect)$/;

function withoutReserved(
  headers: Readonly<Record<string, string>>,
  settings: SettingsReader,
): Record<string, string> {
  const names = Object.keys(headers).filter((name) => RESERVED.test(name));
  if (names.length > 0) {
    settings.warn(
      settings.nameOf('OTEL_EXPORTER_OTLP_HEADERS'),
      `${names.join(', ')}: is passed over, it is the exporter's own`,
    );
  }
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}
