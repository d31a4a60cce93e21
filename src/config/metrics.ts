import type { Warn } from '../settings.ts';
import type { MetricsConfig } from '../telemetry/config.ts';
import type { SettingsReader } from './reader.ts';

/** How metrics are collected. */
export function readMetrics(settings: SettingsReader): MetricsConfig {
  return {
    interval: settings.read('OTEL_METRIC_EXPORT_INTERVAL'),
    temporality: settings.read('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE'),
    histogramAggregation: settings.read('OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION'),
    exemplarFilter: settings.read('OTEL_METRICS_EXEMPLAR_FILTER'),
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
