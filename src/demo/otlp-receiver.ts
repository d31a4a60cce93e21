import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type ServiceError,
  type sendUnaryData,
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

/** Decides what an export call gets: nothing to accept it, or a gRPC error. */
export type Verdict = (spans: readonly ReceivedSpan[]) => Partial<ServiceError> | undefined;

export type ReceiverOptions = {
  readonly port?: number;
  /** A unix socket in place of a port. */
  readonly path?: string;
  readonly credentials?: ServerCredentials;
  /** Takes what is accepted; without it, spans are kept in `spans`. */
  readonly onSpans?: (spans: readonly ReceivedSpan[]) => void;
  readonly verdict?: Verdict;
  /** The largest request that is accepted, in bytes; gRPC's 4 MiB otherwise. */
  readonly maxRequest?: number;
  /** Milliseconds before an export is answered. */
  readonly delay?: number;
  /** Takes what comes as it is, in place of all others: for whom decoding costs too much. */
  readonly onRequest?: (request: Buffer) => void;
};

/** An OTLP/gRPC trace receiver in this process: what a Collector is to the agent. */
export class OtlpReceiver {
  /** What was accepted so far. */
  readonly spans: ReceivedSpan[] = [];
  /** The metadata of the last export call. */
  metadata: Readonly<Record<string, string>> = {};
  calls = 0;
  port = 0;
  private readonly server: Server;

  private constructor(maxRequest?: number) {
    this.server = new Server(
      maxRequest === undefined ? {} : { 'grpc.max_receive_message_length': maxRequest },
    );
  }

  static async start(options: ReceiverOptions = {}): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver(options.maxRequest);
    receiver.server.addService(TRACE_SERVICE, {
      export: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        receiver.calls += 1;
        receiver.metadata = Object.fromEntries(
          Object.entries(call.metadata.getMap()).map(([name, value]) => [name, String(value)]),
        );
        if (options.onRequest !== undefined) {
          options.onRequest(call.request);
          callback(null, Buffer.alloc(0));
          return;
        }
        const spans = decodeSpans(call.request);
        const error = options.verdict?.(spans);
        if (error !== undefined) {
          callback(error, null);
          return;
        }
        if (options.onSpans === undefined) receiver.spans.push(...spans);
        else options.onSpans(spans);
        setTimeout(() => callback(null, Buffer.alloc(0)), options.delay ?? 0);
      },
    });
    receiver.port = await new Promise<number>((resolve, reject) => {
      receiver.server.bindAsync(
        options.path === undefined ? `127.0.0.1:${options.port ?? 0}` : `unix:${options.path}`,
        options.credentials ?? ServerCredentials.createInsecure(),
        (error, port) => (error === null ? resolve(port) : reject(error)),
      );
    });
    return receiver;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends open calls and connections at once. */
  stop(): void {
    this.server.forceShutdown();
  }
}

const bytes = (value: Buffer): Buffer => value;

const TRACE_SERVICE: ServiceDefinition = {
  export: {
    path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
};

/** opentelemetry-proto's trace.proto and common.proto, as far as this receiver looks. */
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
