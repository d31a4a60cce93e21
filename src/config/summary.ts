import { withoutUserInfo } from '../endpoint.ts';
import { formatAddress } from '../listen-address.ts';
import type { ExporterConfig, MetricsExporterConfig } from '../telemetry/config.ts';
import type { Config } from './config.ts';

/** The configuration as it is logged: what is in force, without the values of headers, the token, users of URLs and the proxy's password. */
export function summarize(config: Config): Record<string, unknown> {
  const { threadEnv: _environment, telemetry, spop, ...rest } = config;
  const { admin, exporters, records, sampler: _same, logLevel: _sameLevel, ...path } = telemetry;
  return {
    ...rest,
    spop: formatAddress(spop),
    telemetry: {
      ...path,
      records: formatAddress(records),
      admin:
        admin === undefined
          ? 'off'
          : {
              ...admin,
              address: formatAddress(admin.address),
              token: admin.token === undefined ? undefined : '***',
              traceUrl: admin.traceUrl === undefined ? undefined : withoutUserInfo(admin.traceUrl),
            },
      exporters: {
        traces: summarizeExporter(exporters.traces),
        metrics: summarizeExporter(exporters.metrics),
        logs: summarizeExporter(exporters.logs),
      },
    },
  };
}

function summarizeExporter(
  exporter: ExporterConfig | MetricsExporterConfig,
): Record<string, unknown> {
  if (exporter.kind !== 'otlp') return exporter;
  const { endpoint, headers, proxy } = exporter;
  return {
    ...exporter,
    endpoint: withoutUserInfo(endpoint),
    headers: Object.fromEntries(Object.keys(headers).map((name) => [name, '***'])),
    proxy: proxy && {
      ...proxy,
      credentials: proxy.credentials === undefined ? undefined : '***',
    },
  };
}
