import protobuf from 'protobufjs';
import { OtlpServer } from '../../src/demo/otlp-receiver.ts';
import { attributesOf, attributeValue, type WireAttributes, type WireValue } from './otlp-types.ts';

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
        body: attributeValue(log.body),
        eventName: log.eventName,
        attributes: attributesOf(log.attributes),
        droppedAttributes: log.droppedAttributesCount,
        flags: log.flags,
        traceId: log.traceId.toString('hex'),
        spanId: log.spanId.toString('hex'),
        resource: attributesOf(resource?.attributes ?? []),
        scope: { name: scope?.name ?? '', version: scope?.version ?? '' },
      })),
    ),
  );
}

/** A receiver of logs. */
export class LogReceiver {
  readonly logs: ReceivedLog[] = [];
  private server: OtlpServer | undefined;

  static async start(): Promise<LogReceiver> {
    const receiver = new LogReceiver();
    receiver.server = await OtlpServer.start({
      logs: (request) => void receiver.logs.push(...decodeLogs(request)),
    });
    return receiver;
  }

  get endpoint(): string {
    return this.server?.endpoint ?? '';
  }

  stop(): void {
    this.server?.stop();
  }
}
