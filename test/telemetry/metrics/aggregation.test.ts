import type { Attributes } from '@opentelemetry/api';
import { ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  AggregationType,
  MeterProvider,
  MetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { INSTRUMENTS } from '../../../src/telemetry/metrics/instruments.ts';
import type { Temporality } from '../../../src/telemetry/metrics/points.ts';
import { CounterSeries, HistogramSeries } from '../../../src/telemetry/metrics/series.ts';
import { OtlpMetrics } from '../../../src/telemetry/otlp/otlp-metrics.ts';
import { pointsIn, type ReceivedPoint } from './metric-receiver.ts';

/**
 * The SDK's numbers are right for one series: what is recorded here and there must arrive at a receiver as the same, but
 * for the times, which are measured against the specification elsewhere.
 */
class Reader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}

  static of(temporality: Temporality, exponential: boolean): Reader {
    return new Reader({
      aggregationTemporalitySelector: () =>
        temporality === 'delta' ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
      aggregationSelector: () => ({
        type: exponential ? AggregationType.EXPONENTIAL_HISTOGRAM : AggregationType.DEFAULT,
      }),
    });
  }

  async read(): Promise<ReceivedPoint[]> {
    const { resourceMetrics } = await this.collect();
    return serialized(resourceMetrics);
  }
}

function serialized(resourceMetrics: ResourceMetrics): ReceivedPoint[] {
  return pointsIn(ProtobufMetricsSerializer.serializeRequest(resourceMetrics) ?? new Uint8Array());
}

const resource = resourceFromAttributes({ 'service.name': 'haproxy' });
const ATTRIBUTES: Attributes = {
  'http.request.method': 'GET',
  'http.response.status_code': 200,
  'haproxy.backend.name': 'äpp',
};

const timeless = ({ start: _start, time: _time, ...point }: ReceivedPoint) => point;

const INSTRUMENT = INSTRUMENTS.serverDuration;

/** What the SDK makes of these values, in one collection: in several it adds sums in another order, and reduces scales. */
async function bySdk(
  temporality: Temporality,
  exponential: boolean,
  values: readonly number[],
): Promise<ReceivedPoint[]> {
  const { name, unit, description, bounds } = INSTRUMENT;
  const reader = Reader.of(temporality, exponential);
  const meter = new MeterProvider({ resource, readers: [reader] }).getMeter('haproxy-otel-spoa');
  const advice = { explicitBucketBoundaries: [...bounds] };
  const histogram = meter.createHistogram(name, { unit, description, advice });
  for (const value of values) histogram.record(value, ATTRIBUTES);
  return reader.read();
}

async function compare(
  temporality: Temporality,
  exponential: boolean,
  collections: readonly (readonly number[])[],
): Promise<void> {
  const own = new HistogramSeries(ATTRIBUTES as never, 1, INSTRUMENT.bounds, exponential);
  const scope = { resource, instrumentationScope: { name: 'haproxy-otel-spoa', version: '1' } };
  const encoder = new OtlpMetrics(scope, 1_000_000);
  for (const [index, values] of collections.entries()) {
    for (const value of values) own.record(value, undefined);
    const before = temporality === 'delta' ? index + 1 : undefined;
    const point = own.collect({ time: index + 2, before });
    const points = point === undefined ? [] : [point];
    const encoded = encoder.encode([{ instrument: INSTRUMENT, temporality, points }]);
    const all = temporality === 'delta' ? values : collections.slice(0, index + 1).flat();
    expect(encoded.flatMap(({ bytes }) => pointsIn(bytes)).map(timeless)).toEqual(
      (await bySdk(temporality, exponential, all)).map(timeless),
    );
  }
}

const durations = fc.oneof(
  fc.double({ min: 0, max: 100, noNaN: true }),
  fc.integer({ min: 0, max: 20_000 }).map((milliseconds) => milliseconds / 1000),
  fc.constantFrom(...INSTRUMENTS.serverDuration.bounds, 0, 1, 2, 2 ** -10, 4096, 5e-324, 1e-300),
);

describe.each(['cumulative', 'delta'] as const)('%s', (temporality) => {
  test.each([
    ['explicit', false],
    ['exponential', true],
  ] as const)('%s histograms have the numbers of the SDK', async (_name, exponential) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(durations, { minLength: 1, maxLength: 60 }), {
          minLength: 1,
          maxLength: 3,
        }),
        (collections) => compare(temporality, exponential, collections),
      ),
      { numRuns: 100 },
    );
  });
});

test('an interval without a measurement has no delta, and the same total as before', () => {
  const counter = new CounterSeries({}, 5);
  counter.add(3);
  expect(counter.collect({ time: 20, before: 10 })).toMatchObject({
    start: 10,
    time: 20,
    value: 3,
  });
  expect(counter.collect({ time: 30, before: 20 })).toBeUndefined();
  expect(counter.total).toBe(3);
  const histogram = new HistogramSeries({}, 5, [1], true);
  histogram.record(2, undefined);
  expect(histogram.collect({ time: 20, before: 10 })).toMatchObject({ start: 10, count: 1 });
  expect(histogram.collect({ time: 30, before: 20 })).toBeUndefined();
  histogram.record(0.5, undefined);
  // What a page shows is never a delta.
  expect([...histogram.total.counts]).toEqual([1, 1]);
  expect(histogram.total.sum).toBe(2.5);
});

test('a cumulative series starts with its first measurement, and goes on from there', () => {
  const counter = new CounterSeries({}, 5);
  counter.add(3);
  expect(counter.collect({ time: 20, before: undefined })).toMatchObject({ start: 5, value: 3 });
  expect(counter.collect({ time: 30, before: undefined })).toMatchObject({ start: 5, value: 3 });
});
