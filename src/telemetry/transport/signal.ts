import {
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import type { Signal } from '../config.ts';

/** The content of a successful response. */
export type PartialSuccess = {
  /** Items that were not accepted, and are not to be sent again. */
  readonly rejected: number;
  readonly message: string;
};

/** What differs between signals in OTLP, and in what is logged of them. */
export type SignalProtocol = {
  /** The unit of the items in a batch. */
  readonly items: string;
  /** Path of the gRPC method. */
  readonly method: string;
  /** Path of HTTP requests, below that of an endpoint for all signals. */
  readonly path: string;
  /** @throws Error when it is no response of this signal's */
  readonly readResponse: (response: Uint8Array) => PartialSuccess;
  /** @throws SyntaxError when it is no JSON */
  readonly readJsonResponse: (response: string) => PartialSuccess;
};

const SERVICES = '/opentelemetry.proto.collector';

const NONE: PartialSuccess = { rejected: 0, message: '' };

export const SIGNALS: Readonly<Record<Signal, SignalProtocol>> = {
  traces: {
    items: 'spans',
    method: `${SERVICES}.trace.v1.TraceService/Export`,
    path: '/v1/traces',
    readJsonResponse: (response) => readJson(response, 'rejectedSpans'),
    readResponse: (response) => {
      const { partialSuccess } = ProtobufTraceSerializer.deserializeResponse(response);
      return partialSuccessOf(partialSuccess, partialSuccess?.rejectedSpans);
    },
  },
  metrics: {
    items: 'data points',
    method: `${SERVICES}.metrics.v1.MetricsService/Export`,
    path: '/v1/metrics',
    readJsonResponse: (response) => readJson(response, 'rejectedDataPoints'),
    readResponse: (response) => {
      const { partialSuccess } = ProtobufMetricsSerializer.deserializeResponse(response);
      return partialSuccessOf(partialSuccess, partialSuccess?.rejectedDataPoints);
    },
  },
  logs: {
    items: 'log records',
    method: `${SERVICES}.logs.v1.LogsService/Export`,
    path: '/v1/logs',
    readJsonResponse: (response) => readJson(response, 'rejectedLogRecords'),
    readResponse: (response) => {
      const { partialSuccess } = ProtobufLogsSerializer.deserializeResponse(response);
      return partialSuccessOf(partialSuccess, partialSuccess?.rejectedLogRecords);
    },
  },
};

function partialSuccessOf(
  partialSuccess: { readonly errorMessage?: string } | undefined,
  rejected: number | undefined,
): PartialSuccess {
  if (partialSuccess === undefined) return NONE;
  return { rejected: Number(rejected ?? 0), message: partialSuccess.errorMessage ?? '' };
}

/** OTLP/JSON has int64 as text. */
function readJson(text: string, rejected: string): PartialSuccess {
  const { partialSuccess }: { partialSuccess?: Record<string, unknown> } = JSON.parse(text);
  return {
    rejected: Number(partialSuccess?.[rejected] ?? 0),
    message: String(partialSuccess?.errorMessage ?? ''),
  };
}
