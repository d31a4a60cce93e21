import { withoutUserInfo } from '../endpoint.ts';
import { formatAddress } from '../listen.ts';
import type { Config } from './config.ts';

/** The configuration as it is logged: what is in force, without the values of headers, the token, users of URLs and the proxy's password. */
export function summarize(config: Config): Record<string, unknown> {
  const { threadEnv: _environment, telemetry, spop, ...rest } = config;
  const { admin, exporter, records, sampler: _same, logLevel: _sameLevel, ...path } = telemetry;
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
      exporter:
        exporter.kind === 'otlp'
          ? {
              ...exporter,
              endpoint: withoutUserInfo(exporter.endpoint),
              headers: Object.fromEntries(
                Object.keys(exporter.headers).map((name) => [name, '***']),
              ),
              proxy: exporter.proxy && {
                ...exporter.proxy,
                credentials: exporter.proxy.credentials === undefined ? undefined : '***',
              },
            }
          : exporter,
    },
  };
}
