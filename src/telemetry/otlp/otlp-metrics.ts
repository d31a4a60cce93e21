import type { Exemplar } from '../metrics/exemplars.ts';
import type { Instrument } from '../metrics/instruments.ts';
import type {
  Buckets,
  HistogramPoint,
  Metric,
  NumberPoint,
  Point,
  Temporality,
} from '../metrics/points.ts';
import type { SpanScope } from '../resource.ts';
import { type Batch, encodeHead } from './batch.ts';
import { KeyValueWriter } from './key-values.ts';
import { encodeScope } from './otlp-scope.ts';
import { ProtobufWriter } from './protobuf.ts';

/** Wire types and field numbers of opentelemetry-proto's metrics.proto, as tag bytes. */
const Tag = {
  SCOPE_METRICS_METRICS: 0x12,
  METRIC_NAME: 0x0a,
  METRIC_DESCRIPTION: 0x12,
  METRIC_UNIT: 0x1a,
  METRIC_SUM: 0x3a,
  METRIC_HISTOGRAM: 0x4a,
  METRIC_EXPONENTIAL_HISTOGRAM: 0x52,
  /** Of a Sum, a Histogram and an ExponentialHistogram alike. */
  DATA_POINTS: 0x0a,
  TEMPORALITY: 0x10,
  SUM_IS_MONOTONIC: 0x18,
  POINT_START: 0x11,
  POINT_TIME: 0x19,
  NUMBER_ATTRIBUTES: 0x3a,
  NUMBER_INT: 0x31,
  HISTOGRAM_ATTRIBUTES: 0x4a,
  HISTOGRAM_COUNT: 0x21,
  HISTOGRAM_SUM: 0x29,
  HISTOGRAM_BUCKET_COUNTS: 0x32,
  HISTOGRAM_BOUNDS: 0x3a,
  HISTOGRAM_EXEMPLARS: 0x42,
  HISTOGRAM_MIN: 0x59,
  HISTOGRAM_MAX: 0x61,
  EXPONENTIAL_ATTRIBUTES: 0x0a,
  EXPONENTIAL_COUNT: 0x21,
  EXPONENTIAL_SUM: 0x29,
  EXPONENTIAL_SCALE: 0x30,
  EXPONENTIAL_ZERO_COUNT: 0x39,
  EXPONENTIAL_POSITIVE: 0x42,
  EXPONENTIAL_EXEMPLARS: 0x5a,
  EXPONENTIAL_MIN: 0x61,
  EXPONENTIAL_MAX: 0x69,
  BUCKETS_OFFSET: 0x08,
  BUCKETS_COUNTS: 0x12,
  EXEMPLAR_TIME: 0x11,
  EXEMPLAR_DOUBLE: 0x19,
  EXEMPLAR_SPAN_ID: 0x22,
  EXEMPLAR_TRACE_ID: 0x2a,
} as const;

const TEMPORALITY: Readonly<Record<Temporality, number>> = { delta: 1, cumulative: 2 };

/** Tag and length of the two messages around the metrics, at most. */
const MAX_LENGTHS = 2 * 6;

/** Writes metrics as OTLP ExportMetricsServiceRequests. The SDK's serializer has no exemplars. */
export class OtlpMetrics {
  private readonly resource: Buffer;
  private readonly scope: Buffer;
  private readonly out: ProtobufWriter;
  private readonly keyValues: KeyValueWriter;
  private readonly batchBytes: number;

  /** @param batchBytes a request is closed behind the point with which it has as many */
  constructor(scope: SpanScope, batchBytes: number) {
    ({ resource: this.resource, scope: this.scope } = encodeScope(scope));
    this.out = new ProtobufWriter(this.resource.length + this.scope.length + MAX_LENGTHS);
    this.keyValues = new KeyValueWriter(this.out);
    this.batchBytes = batchBytes;
  }

  /** @returns requests, with the number of points in each */
  encode(metrics: readonly Metric[]): Batch[] {
    const batches: Batch[] = [];
    let points = 0;
    for (const metric of metrics) {
      let rest = metric.points;
      while (rest.length > 0) {
        const written = this.metric(metric, rest);
        points += written;
        rest = rest.slice(written);
        if (this.out.position < this.batchBytes) continue;
        batches.push(this.finishRequest(points));
        points = 0;
      }
    }
    if (points > 0) batches.push(this.finishRequest(points));
    return batches;
  }

  /** Recycles the buffer of what `encode` returned, when nobody needs its bytes any more. */
  recycle({ bytes }: Batch): void {
    this.out.recycle(bytes);
  }

  private finishRequest(items: number): Batch {
    const head = encodeHead(this.resource, this.scope, this.out.position - this.out.headRoom);
    return { bytes: this.out.finish(head), items };
  }

  /** @returns how many of the points there was room for */
  private metric({ instrument, temporality }: Metric, points: readonly Point[]): number {
    const { out } = this;
    out.byte(Tag.SCOPE_METRICS_METRICS);
    const metric = out.beginMessage();
    out.text(Tag.METRIC_NAME, instrument.name);
    out.text(Tag.METRIC_DESCRIPTION, instrument.description);
    out.text(Tag.METRIC_UNIT, instrument.unit);
    out.byte(dataTag(points));
    const data = out.beginMessage();
    let written = 0;
    for (const point of points) {
      out.byte(Tag.DATA_POINTS);
      const message = out.beginMessage();
      if (point.kind === 'number') this.number(point);
      else this.histogram(point);
      out.endMessage(message);
      written += 1;
      if (out.position >= this.batchBytes) break;
    }
    out.byte(Tag.TEMPORALITY);
    out.byte(TEMPORALITY[temporality]);
    this.monotonicity(instrument);
    out.endMessage(data);
    out.endMessage(metric);
    return written;
  }

  private monotonicity({ kind }: Instrument): void {
    if (kind !== 'counter') return;
    this.out.byte(Tag.SUM_IS_MONOTONIC);
    this.out.byte(1);
  }

  private number({ attributes, start, time, value }: NumberPoint): void {
    this.attributes(Tag.NUMBER_ATTRIBUTES, attributes);
    this.out.nanoseconds(Tag.POINT_START, start);
    this.out.nanoseconds(Tag.POINT_TIME, time);
    this.fixed64(Tag.NUMBER_INT, value);
  }

  private histogram(point: HistogramPoint): void {
    const { out } = this;
    out.nanoseconds(Tag.POINT_START, point.start);
    out.nanoseconds(Tag.POINT_TIME, point.time);
    if (point.buckets.kind === 'explicit') this.explicit(point, point.buckets);
    else this.exponential(point, point.buckets);
  }

  private explicit(point: HistogramPoint, buckets: Buckets & { kind: 'explicit' }): void {
    const { out } = this;
    this.attributes(Tag.HISTOGRAM_ATTRIBUTES, point.attributes);
    this.fixed64(Tag.HISTOGRAM_COUNT, point.count);
    this.double(Tag.HISTOGRAM_SUM, point.sum);
    out.byte(Tag.HISTOGRAM_BUCKET_COUNTS);
    out.varint(buckets.counts.length * 8);
    for (let i = 0; i < buckets.counts.length; i += 1) this.fixed64Value(buckets.counts[i] ?? 0);
    out.byte(Tag.HISTOGRAM_BOUNDS);
    out.varint(buckets.bounds.length * 8);
    for (const bound of buckets.bounds) out.double(bound);
    this.double(Tag.HISTOGRAM_MIN, point.min);
    this.double(Tag.HISTOGRAM_MAX, point.max);
    this.exemplars(Tag.HISTOGRAM_EXEMPLARS, point.exemplars);
  }

  private exponential(point: HistogramPoint, buckets: Buckets & { kind: 'exponential' }): void {
    const { out } = this;
    this.attributes(Tag.EXPONENTIAL_ATTRIBUTES, point.attributes);
    this.fixed64(Tag.EXPONENTIAL_COUNT, point.count);
    this.double(Tag.EXPONENTIAL_SUM, point.sum);
    out.byte(Tag.EXPONENTIAL_SCALE);
    out.varint(zigzag(buckets.scale));
    this.fixed64(Tag.EXPONENTIAL_ZERO_COUNT, buckets.zeroCount);
    out.byte(Tag.EXPONENTIAL_POSITIVE);
    const positive = out.beginMessage();
    out.byte(Tag.BUCKETS_OFFSET);
    out.varint(zigzag(buckets.offset));
    out.byte(Tag.BUCKETS_COUNTS);
    const counts = out.beginMessage();
    for (const count of buckets.counts) out.varint(count);
    out.endMessage(counts);
    out.endMessage(positive);
    this.double(Tag.EXPONENTIAL_MIN, point.min);
    this.double(Tag.EXPONENTIAL_MAX, point.max);
    this.exemplars(Tag.EXPONENTIAL_EXEMPLARS, point.exemplars);
  }

  private exemplars(tag: number, exemplars: readonly Exemplar[]): void {
    const { out } = this;
    for (const { time, value, traceId, spanId } of exemplars) {
      out.byte(tag);
      const message = out.beginMessage();
      out.nanoseconds(Tag.EXEMPLAR_TIME, time);
      this.double(Tag.EXEMPLAR_DOUBLE, value);
      out.hex(Tag.EXEMPLAR_SPAN_ID, spanId);
      out.hex(Tag.EXEMPLAR_TRACE_ID, traceId);
      out.endMessage(message);
    }
  }

  private attributes(tag: number, attributes: Point['attributes']): void {
    for (const [name, value] of Object.entries(attributes)) this.keyValues.write(tag, name, value);
  }

  private double(tag: number, value: number | undefined): void {
    if (value === undefined) return;
    this.out.byte(tag);
    this.out.double(value);
  }

  private fixed64(tag: number, value: number): void {
    this.out.byte(tag);
    this.fixed64Value(value);
  }

  /** @param value a whole number from 0 on, or a negative one for a signed field */
  private fixed64Value(value: number): void {
    this.out.fixed32(value >>> 0);
    this.out.fixed32(Math.floor(value / 2 ** 32) >>> 0);
  }
}

/** All points of a metric are of one kind. */
function dataTag([first]: readonly Point[]): number {
  if (first?.kind !== 'histogram') return Tag.METRIC_SUM;
  return first.buckets.kind === 'explicit'
    ? Tag.METRIC_HISTOGRAM
    : Tag.METRIC_EXPONENTIAL_HISTOGRAM;
}

/** As protobuf has signed numbers of few bytes. */
function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}
