import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import { PACKAGE_ROOT } from '../../../src/demo/haproxy.ts';
import { Histogram } from '../../../src/histogram.ts';
import { RecordParser } from '../../../src/records/record-parser.ts';
import { HopMetrics } from '../../../src/telemetry/metrics/hop-metrics.ts';
import { INSTRUMENTS, type Instrument } from '../../../src/telemetry/metrics/instruments.ts';
import type { Metric } from '../../../src/telemetry/metrics/points.ts';
import { SdkMetrics } from '../../../src/telemetry/metrics/sdk-metrics.ts';
import { CARDINALITY_LIMIT } from '../../../src/telemetry/metrics/series-set.ts';
import { hopOf, recordLine } from '../../records/lines.ts';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/metrics.md'), 'utf8');

/** Rows of the table under a heading. */
function rows(heading: string): string[][] {
  const [, below = ''] = PAGE.split(`\n## ${heading}\n`);
  const [section = ''] = below.split(/^## /m);
  return [...section.matchAll(/^\| (`.*) \|$/gm)].map(([, row = '']) => row.split(' | '));
}

const codes = (cell = ''): string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

/** What there is to be seen of hops that end in all ways that make a difference. */
function hopMetrics(): Metric[] {
  const metrics = new HopMetrics({
    temporality: 'cumulative',
    exponential: false,
    exemplarFilter: 'trace_based',
    now: () => 1,
    onOverflow: () => {},
  });
  for (const changes of [
    { route: '/a' },
    { status: 500 },
    { retries: '+1' },
    { kind: 'tcp', termination_state: '--' },
    { kind: 'tcp', termination_state: 'sC' },
  ]) {
    const line = Buffer.from(recordLine(hopOf(1), changes));
    const record = new RecordParser().parse(line, 0, line.length);
    if (record !== undefined) metrics.observe(record, record.hop, true);
  }
  return metrics.series.collect(2);
}

function sdkMetrics(): Metric[] {
  const counts = { exported: 1, dropped: 1, refused: 1, retries: 1, warnings: 0 };
  const numbers = { protocol: 'grpc', counts, latency: new Histogram([1]) } as const;
  const exporters = [
    { ...numbers, signal: 'traces' },
    { ...numbers, signal: 'metrics' },
    { ...numbers, signal: 'logs' },
  ] as const;
  return new SdkMetrics({ exporters, waiting: () => 1, capacity: 2 }, 'cumulative', 1).collect(2);
}

test('the table of instruments is what is emitted, with these units and attributes', () => {
  const emitted = [...hopMetrics(), ...sdkMetrics()];
  expect(emitted.map(({ instrument }) => instrument.name)).toEqual(
    expect.arrayContaining(Object.values(INSTRUMENTS).map(({ name }: Instrument) => name)),
  );
  const described = emitted.map(({ instrument: { name, unit, kind }, points }) => [
    name,
    `${unit}, ${kind}`,
    [...new Set(points.flatMap(({ attributes }) => Object.keys(attributes)))].toSorted(),
  ]);
  const documented = rows('Instruments').map(([name, kind, attributes]) => [
    codes(name)[0],
    kind,
    codes(attributes).toSorted(),
  ]);
  expect(documented.toSorted()).toEqual(described.toSorted());
});

test('the table of settings has the defaults', () => {
  const settings = Object.fromEntries(
    rows('Settings of metrics').map(([name, value]) => [codes(name)[0], codes(value)[0]]),
  );
  const { exporters, metrics } = loadConfig({}).telemetry;
  expect(settings).toEqual({
    OTEL_METRICS_EXPORTER: exporters.metrics.kind,
    OTEL_METRIC_EXPORT_INTERVAL: String(metrics.interval),
    OTEL_METRIC_EXPORT_TIMEOUT: '30000',
    OTEL_METRICS_EXEMPLAR_FILTER: metrics.exemplarFilter,
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: metrics.temporality,
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: metrics.histogramAggregation,
  });
  expect(PAGE).toContain(`at most ${CARDINALITY_LIMIT} series`);
});

test('the environments of the page are accepted without a warning', () => {
  const blocks = [...PAGE.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, body = '']) => body);
  expect(blocks).toHaveLength(2);
  for (const block of blocks) {
    const lines = block.trim().split('\n');
    const warnings: string[] = [];
    const { telemetry } = loadConfig(
      Object.fromEntries(lines.map((line) => line.split('='))),
      undefined,
      (setting) => warnings.push(setting),
    );
    expect([telemetry.exporters.metrics.kind, warnings]).toEqual([lines[0]?.split('=')[1], []]);
  }
});
