import { fieldContent, fieldEnd, lengthDelimited } from './protobuf.ts';

/** One encoded ExportTraceServiceRequest with one resource and one scope, and how many spans are in it. */
export type Batch = { readonly bytes: Buffer<ArrayBuffer>; readonly spans: number };

/** Tags of the message fields in which the spans are, from opentelemetry-proto's trace.proto. */
export const RequestTag = {
  RESOURCE_SPANS: 0x0a,
  RESOURCE_SPANS_SCOPE_SPANS: 0x12,
  SCOPE_SPANS_SPANS: 0x12,
} as const;

/**
 * Two batches of about half the bytes each, in memory of their own, with the same resource and scope; the spans stay in
 * order.
 *
 * @returns undefined for a batch of one span
 */
export function splitBatch({ bytes, spans }: Batch): readonly [Batch, Batch] | undefined {
  if (spans < 2) return undefined;
  const resourceStart = fieldContent(bytes, 0);
  const resourceEnd = fieldEnd(bytes, resourceStart);
  const scopeStart = fieldContent(bytes, resourceEnd);
  const scopeEnd = fieldEnd(bytes, scopeStart);
  const resource = bytes.subarray(resourceStart, resourceEnd);
  const scope = bytes.subarray(scopeStart, scopeEnd);

  const middle = (scopeEnd + bytes.length) / 2;
  let border = fieldEnd(bytes, scopeEnd);
  let before = 1;
  while (before < spans - 1) {
    const next = fieldEnd(bytes, border);
    if (next > middle) break;
    border = next;
    before += 1;
  }
  return [
    { bytes: encodeRequest(resource, scope, bytes.subarray(scopeEnd, border)), spans: before },
    { bytes: encodeRequest(resource, scope, bytes.subarray(border)), spans: spans - before },
  ];
}

/** All of a request but its spans, which are `length` bytes; `resource` and `scope` are encoded fields. */
export function encodeHead(resource: Buffer, scope: Buffer, length: number): Buffer {
  const scopeSpans = scope.length + length;
  const scopeSpansHead = lengthDelimited(RequestTag.RESOURCE_SPANS_SCOPE_SPANS, scopeSpans);
  const resourceSpans = resource.length + scopeSpansHead.length + scopeSpans;
  return Buffer.concat([
    lengthDelimited(RequestTag.RESOURCE_SPANS, resourceSpans),
    resource,
    scopeSpansHead,
    scope,
  ]);
}

function encodeRequest(resource: Buffer, scope: Buffer, spans: Buffer): Buffer<ArrayBuffer> {
  const head = encodeHead(resource, scope, spans.length);
  const request = Buffer.allocUnsafeSlow(head.length + spans.length);
  head.copy(request);
  spans.copy(request, head.length);
  return request;
}
