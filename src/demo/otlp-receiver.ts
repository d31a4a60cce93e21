import {
  type ChannelOptions,
  type handleUnaryCall,
  type Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** A span as it came over OTLP. Ids are hexadecimal, times are nanoseconds since the epoch. */
export type ReceivedSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  /** 2 is SERVER, 3 is CLIENT. */
  readonly kind: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly droppedAttributes: number;
  /** 0 is unset, 1 is ok, 2 is error. */
  readonly status: number;
  readonly links: readonly ReceivedLink[];
  readonly resource: Readonly<Record<string, unknown>>;
};

export type ReceivedLink = {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
};

export const OtlpSpanKind = { SERVER: 2, CLIENT: 3 } as const;
export const OtlpStatus = { UNSET: 0, ERROR: 2 } as const;

/** The signals of OTLP, by the service that each has. */
const SERVICES = {
  traces: 'trace.v1.TraceService',
  metrics: 'metrics.v1.MetricsService',
  logs: 'logs.v1.LogsService',
} as const;

/** What an export call is answered with: a response message, of which an empty one accepts all, or an error of gRPC. */
export type OtlpAnswer = Buffer | Partial<ServiceError> | undefined;

/** Gets the bytes of each export call of a signal. */
export type OtlpHandler = (request: Buffer, metadata: Metadata) => OtlpAnswer | Promise<OtlpAnswer>;

export type OtlpServerOptions = {
  /** `host:port` or `unix:/path`. */
  readonly address?: string;
  readonly credentials?: ServerCredentials;
  readonly channel?: ChannelOptions;
};

/** An OTLP/gRPC server in this process: what a Collector is to the agent. */
export class OtlpServer {
  port = 0;
  private readonly server: Server;

  private constructor(channel: ChannelOptions) {
    this.server = new Server(channel);
  }

  /** @param handlers of the signals that it has a service for */
  static async start(
    handlers: Readonly<Partial<Record<keyof typeof SERVICES, OtlpHandler>>>,
    { address = '127.0.0.1:0', credentials, channel = {} }: OtlpServerOptions = {},
  ): Promise<OtlpServer> {
    const otlp = new OtlpServer(channel);
    for (const [signal, handler] of Object.entries(handlers)) {
      const service = SERVICES[signal as keyof typeof SERVICES];
      otlp.server.addService(exportService(service), { export: answerWith(handler) });
    }
    otlp.port = await new Promise<number>((resolve, reject) => {
      otlp.server.bindAsync(
        address,
        credentials ?? ServerCredentials.createInsecure(),
        (error, port) => (error === null ? resolve(port) : reject(error)),
      );
    });
    return otlp;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends open calls and connections at once. */
  stop(): void {
    this.server.forceShutdown();
  }
}

function answerWith(handler: OtlpHandler): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    Promise.resolve(handler(call.request, call.metadata)).then((answer) => {
      if (answer === undefined || Buffer.isBuffer(answer)) callback(null, answer ?? EMPTY);
      else callback(answer, null);
    }, callback);
  };
}

const EMPTY = Buffer.alloc(0);

const bytes = (value: Buffer): Buffer => value;

function exportService(service: string): ServiceDefinition {
  return {
    export: {
      path: `/opentelemetry.proto.collector.${service}/Export`,
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  };
}

/** opentelemetry-proto's trace.proto and common.proto, as far as this receiver reads them. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4;
    string name = 5; int32 kind = 6; fixed64 start = 7; fixed64 end = 8;
    repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10; repeated Link links = 13; Status status = 15; fixed32 flags = 16;
  }
  message Link { bytes trace_id = 1; bytes span_id = 2; fixed32 flags = 6; }
  message Status { int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue {
    oneof value {
      string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
      ArrayValue array_value = 5;
    }
  }
  message ArrayValue { repeated AnyValue values = 1; }
`);
const Request = root.lookupType('Request');

type WireValue = { value?: string; [kind: string]: unknown };
type WireAttributes = { key: string; value?: WireValue }[];
type WireSpan = {
  traceId: Buffer;
  spanId: Buffer;
  parentSpanId: Buffer;
  traceState: string;
  name: string;
  kind: number;
  start: string;
  end: string;
  attributes: WireAttributes;
  droppedAttributesCount: number;
  links: { traceId: Buffer; spanId: Buffer; flags: number }[];
  status?: { code: number };
  flags: number;
};
type WireRequest = {
  resourceSpans: {
    resource?: { attributes: WireAttributes };
    scopeSpans: { spans: WireSpan[] }[];
  }[];
};

export function decodeSpans(request: Uint8Array): ReceivedSpan[] {
  const { resourceSpans } = Request.toObject(Request.decode(Buffer.from(request)), {
    arrays: true,
    defaults: true,
    oneofs: true,
    longs: String,
    bytes: Buffer,
  }) as WireRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const resourceAttributes = readAttributes(resource?.attributes ?? []);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId.toString('hex'),
        spanId: span.spanId.toString('hex'),
        parentSpanId: span.parentSpanId.toString('hex'),
        traceState: span.traceState,
        flags: span.flags,
        name: span.name,
        kind: span.kind,
        start: BigInt(span.start),
        end: BigInt(span.end),
        attributes: readAttributes(span.attributes),
        droppedAttributes: span.droppedAttributesCount,
        status: span.status?.code ?? OtlpStatus.UNSET,
        links: span.links.map(({ traceId, spanId, flags }) => ({
          traceId: traceId.toString('hex'),
          spanId: spanId.toString('hex'),
          flags,
        })),
        resource: resourceAttributes,
      })),
    );
  });
}

function readAttributes(attributes: WireAttributes): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]));
}

function readValue(value: WireValue | undefined): unknown {
  const kind = value?.value;
  const content = kind === undefined ? undefined : value?.[kind];
  switch (kind) {
    case 'intValue':
      return Number(content);
    case 'arrayValue':
      return (content as { values: WireValue[] }).values.map(readValue);
    default:
      return content;
  }
}
