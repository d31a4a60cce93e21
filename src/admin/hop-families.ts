import { HaproxyAttribute } from '../telemetry/attributes.ts';
import type { ExemplarReservoir } from '../telemetry/metrics/exemplars.ts';
import type { HopSeries } from '../telemetry/metrics/hop-series.ts';
import type { Instrument } from '../telemetry/metrics/instruments.ts';
import type { Metric, MetricAttributes } from '../telemetry/metrics/points.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Family, Sample } from './family.ts';
import { histogramSamples } from './family.ts';
import type { OutcomeCount } from './sources.ts';

/** OpenTelemetry's metrics as Prometheus names them. */
export function metricFamilies(metrics: Metrics): Family[] {
  return [...hopFamilies(metrics.hopSeries), ...familiesOf(metrics.collectOwn())];
}

function hopFamilies({ histograms, counters }: HopSeries): Family[] {
  return [
    ...histograms.map(({ instrument, series }) =>
      familyOf(
        instrument,
        series.flatMap(({ attributes, total, exemplars }) =>
          histogramSamples(
            nameOf(instrument),
            total,
            { sharedLabels: labelsOf(attributes) },
            (bucket) => exemplarOf(exemplars, bucket),
          ),
        ),
      ),
    ),
    ...counters.map(({ instrument, series }) =>
      familyOf(
        instrument,
        series.map(({ attributes, total }) => numberSample(attributes, total)),
      ),
    ),
  ].filter(({ values }) => values.length > 0);
}

function familiesOf(metrics: readonly Metric[]): Family[] {
  return metrics.map(({ instrument, points }) =>
    familyOf(
      instrument,
      points.flatMap((point) => {
        if (point.kind === 'number') return [numberSample(point.attributes, point.value)];
        const { attributes, buckets, sum } = point;
        if (buckets.kind !== 'explicit') return [];
        const sharedLabels = labelsOf(attributes);
        return histogramSamples(nameOf(instrument), { ...buckets, sum }, { sharedLabels });
      }),
    ),
  );
}

/** How hops ended, by the names that the page and the alerts have for it. */
export function outcomeCounts({ hops }: HopSeries): OutcomeCount[] {
  const counts = new Map<string, OutcomeCount>();
  for (const { attributes, total } of hops.series) {
    const outcome = outcomeIn(attributes);
    const key = `${outcome.outcome} ${outcome.fault}`;
    counts.set(key, { ...outcome, count: total + (counts.get(key)?.count ?? 0) });
  }
  return [...counts.values()];
}

function outcomeIn(attributes: MetricAttributes): Omit<OutcomeCount, 'count'> {
  if (attributes['otel.metric.overflow'] === true) return { outcome: 'overflow', fault: 'unknown' };
  const fault = String(attributes[HaproxyAttribute.FAULT] ?? 'none');
  const errorType = String(attributes['error.type'] ?? '');
  // A status is none of the causes that have a name.
  const isCause = errorType !== '' && !/^\d/.test(errorType);
  return { outcome: isCause ? errorType : fault === 'none' ? 'ok' : `${fault}_5xx`, fault };
}

const UNITS: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

const TYPES = { counter: 'counter', updowncounter: 'gauge', histogram: 'histogram' } as const;

function familyOf(instrument: Instrument, values: readonly Sample[]): Family {
  return {
    name: nameOf(instrument),
    help: instrument.description,
    type: TYPES[instrument.kind],
    values,
  };
}

function nameOf({ name, unit, kind }: Instrument): string {
  const total = kind === 'counter' ? '_total' : '';
  return `${name.replaceAll('.', '_')}${UNITS[unit] ?? ''}${total}`;
}

function numberSample(attributes: MetricAttributes, value: number): Sample {
  return { value, labels: labelsOf(attributes) };
}

function exemplarOf(exemplars: ExemplarReservoir, bucket: number): Sample['exemplar'] {
  const exemplar = exemplars.of(bucket);
  return (
    exemplar && {
      labelSet: { trace_id: exemplar.traceId, span_id: exemplar.spanId },
      value: exemplar.value,
      timestamp: exemplar.time / 1e6,
    }
  );
}

function labelsOf(attributes: MetricAttributes): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name.replaceAll('.', '_'), String(value)]),
  );
}
