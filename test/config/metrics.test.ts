import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { useOf } from '../../src/config/names.ts';
import type { Env } from '../../src/settings.ts';

/** What is set of metrics, and what was warned of. */
function loaded(env: Env) {
  const warnings: [string, string][] = [];
  const { telemetry } = loadConfig(env, undefined, (...warning) => warnings.push(warning));
  return { kind: telemetry.exporters.metrics.kind, ...telemetry.metrics, warnings };
}

test('the defaults are those of the specification, but for the exporter', () => {
  expect(loaded({})).toEqual({
    kind: 'none',
    interval: 60_000,
    temporality: 'cumulative',
    histogramAggregation: 'explicit_bucket_histogram',
    exemplarFilter: 'trace_based',
    warnings: [],
  });
});

test('names are accepted in any case', () => {
  expect(
    loaded({
      OTEL_METRICS_EXPORTER: 'OTLP',
      OTEL_METRIC_EXPORT_INTERVAL: '15000',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'LowMemory',
      OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION:
        'BASE2_exponential_bucket_histogram',
      OTEL_METRICS_EXEMPLAR_FILTER: 'Always_On',
    }),
  ).toEqual({
    kind: 'otlp',
    interval: 15_000,
    temporality: 'lowmemory',
    histogramAggregation: 'base2_exponential_bucket_histogram',
    exemplarFilter: 'always_on',
    warnings: [],
  });
});

test.each([
  ['OTEL_METRICS_EXPORTER', 'statsd', 'one of otlp, prometheus, none'],
  ['OTEL_METRIC_EXPORT_INTERVAL', '1m', 'a whole number from 1'],
  ['OTEL_METRIC_EXPORT_INTERVAL', '0', 'a whole number from 1'],
  [
    'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
    'sometimes',
    'one of cumulative, delta, lowmemory',
  ],
  [
    'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION',
    'summary',
    'one of explicit_bucket_histogram, base2_exponential_bucket_histogram',
  ],
  ['OTEL_METRICS_EXEMPLAR_FILTER', 'all', 'one of trace_based, always_on, always_off'],
])('%s=%s is passed over, with a warning', (name, value, accepted) => {
  const { warnings, ...metrics } = loaded({ [name]: value });
  expect({ ...metrics, warnings: [] }).toEqual(loaded({}));
  expect(warnings).toEqual([[name, expect.stringContaining(`${name} is "${value}": ${accepted}`)]]);
  expect(useOf(name)).toBe('used');
});

test('a page that nobody serves is warned of', () => {
  const env = { OTEL_METRICS_EXPORTER: 'prometheus', HAPROXY_OTEL_ADMIN: 'off' };
  expect(loaded(env).warnings).toEqual([
    ['OTEL_METRICS_EXPORTER', expect.stringContaining('nobody can scrape it')],
  ]);
});

test('OTEL_SDK_DISABLED', () => {
  expect(loaded({ OTEL_SDK_DISABLED: 'true', OTEL_METRICS_EXPORTER: 'otlp' }).kind).toBe('none');
});
