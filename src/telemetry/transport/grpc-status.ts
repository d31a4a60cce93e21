import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { CallResult } from './grpc-connection.ts';

/** What a failed call means for its batch. */
type CallFailure =
  | { readonly kind: 'retryable'; readonly delay: number | undefined }
  | { readonly kind: 'too_large' | 'refused' };

/** The codes that the OTLP specification (section "Failures" of OTLP/gRPC) calls retryable. */
const RETRYABLE: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** gRPC's words for a response with an HTTP status of its own. */
const OTHER_STATUS = /^Received HTTP status code (?!200$)/;
/** gRPC's words for a stream that was reset before its status came, as where a connection is cut: nobody has refused anything. */
const RESET = /^Received RST_STREAM with code \d/;
const CONTENT_TOO_LARGE = 'Received HTTP status code 413';

export function classifyFailure(error: ServiceError, headers: Metadata | undefined): CallFailure {
  const { code, details, metadata } = error;
  if (RETRYABLE.has(code)) return { kind: 'retryable', delay: retryDelay(metadata) };
  if (RESET.test(details)) return { kind: 'retryable', delay: undefined };
  if (details === CONTENT_TOO_LARGE) return { kind: 'too_large' };
  // A page in place of a response: no receiver saw the spans.
  if (foreignContentType(error, headers) !== undefined && !OTHER_STATUS.test(details)) {
    return { kind: 'retryable', delay: undefined };
  }
  if (code !== status.RESOURCE_EXHAUSTED) return { kind: 'refused' };
  // A stream that was reset with ENHANCE_YOUR_CALM, as by a proxy's rule, has nothing to do with sizes.
  if (!isAnswered({ error, headers, response: undefined })) {
    return { kind: 'retryable', delay: undefined };
  }
  const delay = retryDelay(metadata);
  return delay === undefined ? { kind: 'too_large' } : { kind: 'retryable', delay };
}

/** The media type of a response that is not gRPC's. */
export function foreignContentType(
  error: ServiceError,
  headers: Metadata | undefined,
): string | undefined {
  const type = (headers ?? error.metadata)?.get('content-type')[0];
  if (typeof type !== 'string' || type.startsWith('application/grpc')) return undefined;
  return type;
}

/** Whether a receiver answered, and nothing in front of it. */
export function isFromReceiver(error: ServiceError, headers: Metadata | undefined): boolean {
  return (
    isAnswered({ error, headers, response: undefined }) &&
    foreignContentType(error, headers) === undefined
  );
}

/** Whether anything came back: a status of gRPC's own making has neither headers nor trailers. */
export function isAnswered({ error, headers }: CallResult): boolean {
  if (error === undefined || headers !== undefined) return true;
  return Object.keys(error.metadata?.getMap() ?? {}).length > 0;
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

/** Milliseconds, or undefined when the receiver sent none. */
function retryDelay(metadata: Metadata | undefined): number | undefined {
  const details = metadata?.get('grpc-status-details-bin')[0];
  if (!Buffer.isBuffer(details)) return undefined;
  try {
    const status = Status.toObject(Status.decode(details), { bytes: Buffer, arrays: true });
    for (const { typeUrl, value } of status.details) {
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
