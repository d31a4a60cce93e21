import { fieldContent, fieldEnd, lengthDelimited } from './wire-format.ts';

/** One encoded Export…ServiceRequest, and how many spans, log records or data points are in it. */
export type Batch = { readonly bytes: Buffer<ArrayBuffer>; readonly items: number };

/** Tags of the message fields in which the spans are, from opentelemetry-proto's trace.proto; logs.proto has the same. */
export const RequestTag = {
  RESOURCE_SPANS: 0x0a,
  RESOURCE_SPANS_SCOPE_SPANS: 0x12,
  SCOPE_SPANS_SPANS: 0x12,
} as const;

/**
 * Two batches of about half the bytes each, in memory of their own, with the same resource and scope; spans, or log
 * records, stay in order.
 *
 * @param batch with one resource and one scope
 * @returns undefined for a batch of one item
 */
export function splitBatch({ bytes, items }: Batch): readonly [Batch, Batch] | undefined {
  if (items < 2) return undefined;
  const resourceStart = fieldContent(bytes, 0);
  const resourceEnd = fieldEnd(bytes, resourceStart);
  const scopeStart = fieldContent(bytes, resourceEnd);
  const scopeEnd = fieldEnd(bytes, scopeStart);
  const resource = bytes.subarray(resourceStart, resourceEnd);
  const scope = bytes.subarray(scopeStart, scopeEnd);

  const middle = (scopeEnd + bytes.length) / 2;
  let border = fieldEnd(bytes, scopeEnd);
  let before = 1;
  while (before < items - 1) {
    const next = fieldEnd(bytes, border);
    if (next > middle) break;
    border = next;
    before += 1;
  }
  return [
    { bytes: encodeRequest(resource, scope, bytes.subarray(scopeEnd, border)), items: before },
    { bytes: encodeRequest(resource, scope, bytes.subarray(border)), items: items - before },
  ];
}

/** All of a request but its items, which are `length` bytes; `resource` and `scope` are encoded fields. */
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
