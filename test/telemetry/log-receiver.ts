import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** A log record as it came over OTLP. Ids are hexadecimal, times are nanoseconds since the epoch. */
export type ReceivedLog = {
  readonly time: bigint;
  readonly observed: bigint;
  readonly severity: number;
  readonly severityText: string;
  readonly body: unknown;
  readonly eventName: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly droppedAttributes: number;
  readonly flags: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: { readonly name: string; readonly version: string };
};

/** opentelemetry-proto's logs.proto, resource.proto and common.proto. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceLogs resource_logs = 1; }
  message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
  message Scope { string name = 1; string version = 2; }
  message LogRecord {
    fixed64 time_unix_nano = 1; int32 severity_number = 2; string severity_text = 3; AnyValue body = 5;
    repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7; fixed32 flags = 8;
    bytes trace_id = 9; bytes span_id = 10; fixed64 observed_time_unix_nano = 11; string event_name = 12;
  }
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
type WireRequest = {
  resourceLogs: {
    resource?: { attributes: WireAttributes };
    scopeLogs: {
      scope?: { name: string; version: string };
      logRecords: {
        timeUnixNano: string;
        observedTimeUnixNano: string;
        severityNumber: number;
        severityText: string;
        body?: WireValue;
        eventName: string;
        attributes: WireAttributes;
        droppedAttributesCount: number;
        flags: number;
        traceId: Buffer;
        spanId: Buffer;
      }[];
    }[];
  }[];
};

export function decodeLogs(request: Uint8Array): ReceivedLog[] {
  const { resourceLogs } = Request.toObject(Request.decode(Buffer.from(request)), {
    arrays: true,
    defaults: true,
    oneofs: true,
    longs: String,
    bytes: Buffer,
  }) as WireRequest;
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, logRecords }) =>
      logRecords.map((log) => ({
        time: BigInt(log.timeUnixNano),
        observed: BigInt(log.observedTimeUnixNano),
        severity: log.severityNumber,
        severityText: log.severityText,
        body: readValue(log.body),
        eventName: log.eventName,
        attributes: readAttributes(log.attributes),
        droppedAttributes: log.droppedAttributesCount,
        flags: log.flags,
        traceId: log.traceId.toString('hex'),
        spanId: log.spanId.toString('hex'),
        resource: readAttributes(resource?.attributes ?? []),
        scope: { name: scope?.name ?? '', version: scope?.version ?? '' },
      })),
    ),
  );
}

function readAttributes(attributes: WireAttributes): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]));
}

function readValue(value: WireValue | undefined): unknown {
  const kind = value?.value;
  const content = kind === undefined ? undefined : value?.[kind];
  if (kind === 'intValue') return Number(content);
  if (kind === 'arrayValue') return (content as { values: WireValue[] }).values.map(readValue);
  return content;
}

const bytes = (value: Buffer): Buffer => value;

const LOGS_SERVICE: ServiceDefinition = {
  export: {
    path: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
};

/** An OTLP/gRPC receiver of logs in this process. */
export class LogReceiver {
  readonly logs: ReceivedLog[] = [];
  private readonly server = new Server();
  private port = 0;

  private constructor() {
    this.server.addService(LOGS_SERVICE, {
      export: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        this.logs.push(...decodeLogs(call.request));
        callback(null, Buffer.alloc(0));
      },
    });
  }

  static async start(): Promise<LogReceiver> {
    const receiver = new LogReceiver();
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

  /** Ends open calls and connections at once. */
  stop(): void {
    this.server.forceShutdown();
  }
}
