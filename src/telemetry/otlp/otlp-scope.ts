import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { SPAN_ID_DIGITS, TRACE_ID_DIGITS } from '../../context/traceparent.ts';
import { ReadableSpans, type SpanScope } from '../spans/readable-spans.ts';
import { fieldContent, fieldEnd } from './protobuf.ts';

/**
 * The encoded `resource` and `scope` fields, cut out of what the SDK makes of a request with one span:
 * in ResourceSpans and in ScopeSpans they are the first field, as in the messages of other signals.
 */
export function encodeScope(scope: SpanScope): { resource: Buffer; scope: Buffer } {
  const spans = new ReadableSpans(scope);
  spans.begin({
    name: '',
    kind: 'SERVER',
    traceId: '0'.repeat(TRACE_ID_DIGITS),
    spanId: '0'.repeat(SPAN_ID_DIGITS),
    traceFlags: 0,
    tracestate: undefined,
    parent: undefined,
    link: undefined,
    start: 0,
    end: 0,
    failed: false,
  });
  const encoded = ProtobufTraceSerializer.serializeRequest(spans.take());
  if (encoded === undefined) throw new Error('the resource cannot be encoded');
  const request = Buffer.from(encoded);
  const resourceSpans = fieldContent(request, 0);
  const scopeSpansAt = fieldEnd(request, resourceSpans);
  const scopeSpans = fieldContent(request, scopeSpansAt);
  return {
    resource: request.subarray(resourceSpans, scopeSpansAt),
    scope: request.subarray(scopeSpans, fieldEnd(request, scopeSpans)),
  };
}
