import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { OTLP_TYPES } from '../otlp-types.ts';

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
    const resource = attributesOf(list(resourceMetrics.resource as Wire, 'attributes'));
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
      attributes: attributesOf(list(point, 'attributes')),
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

function list(message: Wire, name: string): Wire[] {
  return (message[name] as Wire[] | undefined) ?? [];
}

function attributesOf(attributes: readonly Wire[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const { intValue, ...others } = value as Wire;
      return [key, intValue === undefined ? Object.values(others)[0] : Number(intValue)];
    }),
  );
}

const bytes = (value: Buffer): Buffer => value;

function serviceOf(path: string): ServiceDefinition {
  return {
    export: {
      path: `/opentelemetry.proto.collector.${path}/Export`,
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  };
}

/** An OTLP/gRPC receiver of metrics; spans it accepts and forgets. */
export class MetricReceiver {
  /** Of each export, the points. */
  readonly exports: ReceivedPoint[][] = [];
  port = 0;
  private readonly server = new Server();

  static async start(): Promise<MetricReceiver> {
    const receiver = new MetricReceiver();
    const answer = (handle: (request: Buffer) => void) => ({
      export: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        handle(call.request);
        callback(null, Buffer.alloc(0));
      },
    });
    receiver.server.addService(
      serviceOf('metrics.v1.MetricsService'),
      answer((request) => receiver.exports.push(pointsIn(request))),
    );
    receiver.server.addService(
      serviceOf('trace.v1.TraceService'),
      answer(() => {}),
    );
    receiver.port = await new Promise<number>((resolve, reject) => {
      receiver.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return receiver;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** All points of a metric, of all exports. */
  points(name: string): ReceivedPoint[] {
    return this.exports.flat().filter((point) => point.name === name);
  }

  stop(): void {
    this.server.forceShutdown();
  }
}
