import { OtlpServer } from '../../../src/demo/otlp-receiver.ts';
import { attributesOf, OTLP_TYPES, type WireAttributes } from '../otlp-types.ts';

export type ReceivedExemplar = {
  readonly value: number;
  readonly time: bigint;
  readonly traceId: string;
  readonly spanId: string;
};

/** One data point, with its metric. Times are nanoseconds since the epoch. */
export type ReceivedPoint = {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly type: 'sum' | 'histogram' | 'exponentialHistogram';
  /** 1 is delta, 2 is cumulative. */
  readonly temporality: number;
  readonly monotonic: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly start: bigint;
  readonly time: bigint;
  /** Of a sum its value, of histograms their count. */
  readonly count: number;
  readonly sum: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly scale: number;
  readonly offset: number;
  readonly zeroCount: number;
  readonly exemplars: readonly ReceivedExemplar[];
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: string;
};

type Wire = Record<string, unknown>;

/** The data points of an ExportMetricsServiceRequest. */
export function pointsIn(request: Uint8Array): ReceivedPoint[] {
  const { request: codec } = OTLP_TYPES.metrics;
  const decoded = codec.toObject(codec.decode(request), {
    bytes: Buffer,
    longs: String,
    arrays: true,
  });
  return list(decoded, 'resourceMetrics').flatMap((resourceMetrics) => {
    const resource = attributesOf(attributesIn(resourceMetrics.resource as Wire));
    return list(resourceMetrics, 'scopeMetrics').flatMap((scopeMetrics) => {
      const { name: scope } = scopeMetrics.scope as { name: string };
      return list(scopeMetrics, 'metrics').flatMap((metric) =>
        pointsOf(metric).map((point) => ({ ...point, resource, scope })),
      );
    });
  });
}

function pointsOf(metric: Wire): Omit<ReceivedPoint, 'resource' | 'scope'>[] {
  const type = (['sum', 'histogram', 'exponentialHistogram'] as const).find(
    (candidate) => metric[candidate] !== undefined,
  );
  if (type === undefined) throw new Error(`no data in ${metric.name}`);
  const data = metric[type] as Wire;
  return list(data, 'dataPoints').map((point) => {
    const positive = point.positive as Wire | undefined;
    return {
      name: String(metric.name),
      unit: String(metric.unit),
      description: String(metric.description),
      type,
      temporality: Number(data.aggregationTemporality),
      monotonic: data.isMonotonic === true,
      attributes: attributesOf(attributesIn(point)),
      start: BigInt(String(point.startTimeUnixNano)),
      time: BigInt(String(point.timeUnixNano)),
      count: Number(point.count ?? point.asInt ?? point.asDouble),
      sum: point.sum as number | undefined,
      min: point.min as number | undefined,
      max: point.max as number | undefined,
      bounds: (point.explicitBounds as number[] | undefined) ?? [],
      counts: ((positive ?? point).bucketCounts as string[] | undefined)?.map(Number) ?? [],
      scale: Number(point.scale ?? 0),
      offset: Number(positive?.offset ?? 0),
      zeroCount: Number(point.zeroCount ?? 0),
      exemplars: list(point, 'exemplars').map((exemplar) => ({
        value: Number(exemplar.asDouble),
        time: BigInt(String(exemplar.timeUnixNano)),
        traceId: (exemplar.traceId as Buffer).toString('hex'),
        spanId: (exemplar.spanId as Buffer).toString('hex'),
      })),
    };
  });
}

function attributesIn(message: Wire): WireAttributes {
  return list(message, 'attributes') as unknown as WireAttributes;
}

function list(message: Wire, name: string): Wire[] {
  return (message[name] as Wire[] | undefined) ?? [];
}

/** A receiver of metrics; spans it accepts and forgets. */
export class MetricReceiver {
  /** Of each export, the points. */
  readonly exports: ReceivedPoint[][] = [];
  private server: OtlpServer | undefined;

  static async start(): Promise<MetricReceiver> {
    const receiver = new MetricReceiver();
    receiver.server = await OtlpServer.start({
      metrics: (request) => void receiver.exports.push(pointsIn(request)),
      traces: () => {},
    });
    return receiver;
  }

  get port(): number {
    return this.server?.port ?? 0;
  }

  get endpoint(): string {
    return this.server?.endpoint ?? '';
  }

  /** All points of a metric, of all exports. */
  points(name: string): ReceivedPoint[] {
    return this.exports.flat().filter((point) => point.name === name);
  }

  stop(): void {
    this.server?.stop();
  }
}
