import type { Config } from './config.ts';
import { formatAddress } from './listen.ts';

/** The configuration as it is logged: what is in force, without the values of headers. */
export function summarize(config: Config): Record<string, unknown> {
  const { threadEnv: _environment, telemetry, spop, ...rest } = config;
  const { exporter, records, sampler: _same, logLevel: _sameLevel, ...path } = telemetry;
  return {
    ...rest,
    spop: formatAddress(spop),
    telemetry: {
      ...path,
      records: formatAddress(records),
      exporter:
        exporter.kind === 'otlp'
          ? {
              ...exporter,
              endpoint: exporter.endpoint.replace(/\/\/[^/@]*@/, '//***@'),
              headers: Object.fromEntries(
                Object.keys(exporter.headers).map((name) => [name, '***']),
              ),
            }
          : exporter,
    },
  };
}
