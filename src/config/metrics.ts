import { type Env, integerFrom, LONGEST, oneOf, readOrWarn, type Warn } from '../settings.ts';
import {
  EXEMPLAR_FILTERS,
  HISTOGRAM_AGGREGATIONS,
  type MetricsConfig,
  TEMPORALITY_PREFERENCES,
} from '../telemetry/config.ts';

/** How metrics are collected, with the specification's defaults. */
export function readMetrics(env: Env, warn: Warn): MetricsConfig {
  return {
    interval: readOrWarn(env, 'OTEL_METRIC_EXPORT_INTERVAL', 60_000, integerFrom(1, LONGEST), warn),
    temporality: readOrWarn(
      env,
      'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
      'cumulative',
      oneOf(TEMPORALITY_PREFERENCES),
      warn,
    ),
    histogramAggregation: readOrWarn(
      env,
      'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION',
      'explicit_bucket_histogram',
      oneOf(HISTOGRAM_AGGREGATIONS),
      warn,
    ),
    exemplarFilter: readOrWarn(
      env,
      'OTEL_METRICS_EXEMPLAR_FILTER',
      'trace_based',
      oneOf(EXEMPLAR_FILTERS),
      warn,
    ),
  };
}

/** Metrics that only a page has, which nobody serves. */
export function warnOfNoPage(kind: string, hasAdmin: boolean, warn: Warn): void {
  if (kind !== 'prometheus' || hasAdmin) return;
  warn(
    'OTEL_METRICS_EXPORTER',
    'prometheus is served by the admin listener, and HAPROXY_OTEL_ADMIN is off: nobody can scrape it',
  );
}
