import { readFileSync } from 'node:fs';
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import {
  convertLegacyOtlpGrpcOptions,
  createEmptyMetadata,
  createInsecureCredentials,
  createOtlpGrpcExportDelegate,
  createSslCredentials,
} from '@opentelemetry/otlp-grpc-exporter-base';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import protobuf from 'protobufjs';
import type { OtlpConfig } from './config.ts';

/** One encoded ExportTraceServiceRequest, and how many spans are in it. */
export type Batch = { readonly bytes: Uint8Array; readonly spans: number };

/** How one attempt to send a batch ended. */
export type SendResult =
  | { readonly kind: 'sent'; readonly rejected: number; readonly message: string }
  | {
      readonly kind: 'retryable';
      readonly reason: string;
      /** Milliseconds that the receiver asked to wait, if it did. */
      readonly delay: number | undefined;
    }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * OTLP over gRPC: the exporter package's transport, timeout, TLS and compression, around bytes that
 * were encoded once and may be sent several times.
 *
 * @throws the system's error when a certificate or key cannot be read
 */
export function createOtlpSender(config: OtlpConfig): (batch: Batch) => Promise<SendResult> {
  const metadata = createEmptyMetadata();
  for (const [name, value] of Object.entries(config.headers)) metadata.set(name, value);
  let partial: { rejected: number; message: string } | undefined;
  const delegate = createOtlpGrpcExportDelegate<Batch, unknown>(
    convertLegacyOtlpGrpcOptions(
      {
        url: config.endpoint,
        metadata,
        compression: config.compression as never,
        timeoutMillis: config.timeout,
        credentials: createCredentials(config) as never,
        userAgent: 'haproxy-otel-spoa',
      },
      'TRACES',
    ),
    {
      serializeRequest: (batch) => batch.bytes,
      deserializeResponse: (bytes) => {
        const { partialSuccess } = ProtobufTraceSerializer.deserializeResponse(bytes);
        if (partialSuccess !== undefined) {
          partial = {
            rejected: Number(partialSuccess.rejectedSpans ?? 0),
            message: partialSuccess.errorMessage ?? '',
          };
        }
        return {};
      },
    },
    'otlp_grpc_span_exporter',
    { name: 'span', countItems: (batch) => batch.spans },
    undefined,
    'TraceExportService',
    '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  );
  return (batch) =>
    new Promise((resolve) => {
      delegate.export(batch, (result) => {
        // The delegate decodes the response and reports the result in one turn.
        const { rejected, message } = partial ?? { rejected: 0, message: '' };
        partial = undefined;
        resolve(
          result.code === ExportResultCode.SUCCESS
            ? { kind: 'sent', rejected, message }
            : classify(result),
        );
      });
    });
}

function createCredentials(config: OtlpConfig): unknown {
  const { endpoint } = config;
  const plain =
    /^(http|unix):/.test(endpoint) || (!endpoint.startsWith('https:') && config.insecure);
  if (plain) return createInsecureCredentials();
  const pem = (path: string | undefined): Buffer | undefined =>
    path === undefined ? undefined : readFileSync(path);
  return createSslCredentials(
    pem(config.certificate),
    pem(config.clientKey),
    pem(config.clientCertificate),
  );
}

/** The codes that the OTLP specification (section "Failures" of OTLP/gRPC) calls retryable. */
const RETRYABLE: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

function classify(result: ExportResult): SendResult {
  const error = result.error as (Error & Partial<ServiceError>) | undefined;
  const reason = error?.message ?? 'unknown';
  const delay = retryDelay(error?.metadata);
  const retryable =
    error?.code !== undefined &&
    (RETRYABLE.has(error.code) ||
      (error.code === status.RESOURCE_EXHAUSTED && delay !== undefined));
  return retryable ? { kind: 'retryable', reason, delay } : { kind: 'refused', reason };
}

/** google.rpc.Status as far as it is needed: the RetryInfo among its details. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Status { repeated Any details = 3; }
  message Any { string type_url = 1; bytes value = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
`);
const Status = root.lookupType('Status');
const RetryInfo = root.lookupType('RetryInfo');

/** Milliseconds, or undefined when the receiver did not say. */
function retryDelay(metadata: Metadata | undefined): number | undefined {
  const details = metadata?.get('grpc-status-details-bin')[0];
  if (!Buffer.isBuffer(details)) return undefined;
  try {
    const status = Status.toObject(Status.decode(details), { bytes: Buffer, arrays: true });
    for (const { type_url, typeUrl = type_url, value } of status.details) {
      if (typeUrl !== 'type.googleapis.com/google.rpc.RetryInfo') continue;
      const info = RetryInfo.toObject(RetryInfo.decode(value), { longs: Number, defaults: true });
      const { seconds = 0, nanos = 0 } = info.retryDelay ?? {};
      return seconds * 1000 + nanos / 1e6;
    }
  } catch {
    // Details that cannot be read are no details.
  }
  return undefined;
}
