import type { Signal } from '../telemetry/config.ts';
import {
  boolean,
  chosen,
  integer,
  itemsOf,
  mapping,
  nameAndValue,
  named,
  type Rule,
  type Rules,
  refuse,
  text,
  textOf,
} from './config-rules.ts';

/** Keys of the exporters that the agent has for a signal. */
function exporters(signal: Signal, more: Rules = {}): Rules {
  const name = signal.toUpperCase();
  const prefix = `OTEL_EXPORTER_OTLP_${name}`;
  const tls: Rules = {
    ca_file: text(`${prefix}_CERTIFICATE`),
    key_file: text(`${prefix}_CLIENT_KEY`),
    cert_file: text(`${prefix}_CLIENT_CERTIFICATE`),
  };
  const otlp: Rules = {
    endpoint: text(`${prefix}_ENDPOINT`),
    headers: headers(`${prefix}_HEADERS`),
    headers_list: headersList(`${prefix}_HEADERS`),
    compression: named(`${prefix}_COMPRESSION`, { gzip: 'gzip', none: 'none' }),
    timeout: integer(`${prefix}_TIMEOUT`),
    ...more,
  };
  const through = (protocol: string, rules: Rules): Rule =>
    chosen(
      `OTEL_${name}_EXPORTER`,
      'otlp',
      chosen(`${prefix}_PROTOCOL`, protocol, mapping({ ...otlp, ...rules })),
    );
  return {
    otlp_http: through('http/protobuf', {
      tls: mapping(tls),
      encoding: named(`${prefix}_PROTOCOL`, { protobuf: 'http/protobuf' }),
    }),
    otlp_grpc: through('grpc', {
      tls: mapping({ ...tls, insecure: boolean(`${prefix}_INSECURE`) }),
    }),
    console: chosen(`OTEL_${name}_EXPORTER`, 'console', mapping(more)),
  };
}

/** A list of names and values, in place of those of `headers_list` that have the same name. */
function headers(setting: string): Rule {
  return (value, settings) => {
    const pairs = itemsOf(value).map((item) => {
      const { name, text: content } = nameAndValue(item, ['name', 'value']);
      // A value is never repeated: it may be a secret.
      if (!/^[0-9A-Za-z_.-]+$/.test(name)) throw refuse(item, 'name: a header name is accepted');
      return `${name}=${encodeURIComponent(content)}`;
    });
    settings.set(setting, [settings.values[setting], ...pairs].filter(Boolean).join(','), value);
  };
}

function headersList(setting: string): Rule {
  return (value, settings) => {
    const list = [textOf(value), settings.values[setting]].filter(Boolean).join(',');
    if (list !== '') settings.set(setting, list, value);
  };
}

export const LOGS = exporters('logs');
export const TRACES = exporters('traces');
export const METRICS = exporters('metrics', {
  temporality_preference: named('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', {
    cumulative: 'cumulative',
    delta: 'delta',
    low_memory: 'lowmemory',
  }),
  default_histogram_aggregation: named('OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION', {
    explicit_bucket_histogram: 'explicit_bucket_histogram',
    base2_exponential_bucket_histogram: 'base2_exponential_bucket_histogram',
  }),
});
