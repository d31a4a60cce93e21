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
 * records, stay in order. A span stays with its parent where
 * there are others to part: two requests may be on their way at a time, and arrive in any order.
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
  let last = scopeEnd;
  let before = 1;
  while (before < items - 1) {
    const next = fieldEnd(bytes, border);
    if (next > middle) break;
    last = border;
    border = next;
    before += 1;
  }
  if (isChild(bytes, border, last)) {
    if (before > 1) {
      border = last;
      before -= 1;
    } else if (items > 2) {
      border = fieldEnd(bytes, border);
      before += 1;
    }
  }
  return [
    { bytes: encodeRequest(resource, scope, bytes.subarray(scopeEnd, border)), items: before },
    { bytes: encodeRequest(resource, scope, bytes.subarray(border)), items: items - before },
  ];
}

/** Of what this agent encodes: span_id is behind trace_id, and parent_span_id behind these and trace_state. */
const TRACE_ID = { TAG: 0x0a, FIELD: 18 } as const;
const ID_FIELD = 10;
const TRACE_STATE = 0x1a;
const PARENT_SPAN_ID = 0x22;

/** Whether the item at `position` is a span whose parent is the one at `parent`. */
function isChild(bytes: Buffer, position: number, parent: number): boolean {
  const span = fieldContent(bytes, position);
  if (bytes[span] !== TRACE_ID.TAG) return false;
  let parentId = span + TRACE_ID.FIELD + ID_FIELD;
  if (bytes[parentId] === TRACE_STATE) parentId = fieldEnd(bytes, parentId);
  if (bytes[parentId] !== PARENT_SPAN_ID) return false;
  const spanId = fieldContent(bytes, parent) + TRACE_ID.FIELD;
  // Both with their length, without their tags.
  return (
    bytes.compare(bytes, spanId + 1, spanId + ID_FIELD, parentId + 1, parentId + ID_FIELD) === 0
  );
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
