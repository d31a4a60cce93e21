import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { type HopLink, HopOffset } from '../context/hop.ts';
import type { HopView } from '../context/hop-view.ts';
import { SPAN_ID_DIGITS, TRACE_ID_DIGITS } from '../context/traceparent.ts';
import type { AttributeValue } from '../records/record.ts';
import { type Batch, encodeHead, RequestTag } from './batch.ts';
import { KeyValueWriter } from './key-values.ts';
import { LastAttributes, Likenesses } from './last-attributes.ts';
import { fieldContent, fieldEnd, ProtobufWriter } from './protobuf.ts';
import { ReadableSpans, type SpanScope } from './readable-spans.ts';
import type { SpanHead, SpanSink } from './spans.ts';

/** Wire types and field numbers of opentelemetry-proto's trace.proto, as tag bytes. */
const Tag = {
  SPAN_TRACE_ID: 0x0a,
  SPAN_SPAN_ID: 0x12,
  SPAN_TRACE_STATE: 0x1a,
  SPAN_PARENT_SPAN_ID: 0x22,
  SPAN_NAME: 0x2a,
  SPAN_KIND: 0x30,
  SPAN_START: 0x39,
  SPAN_END: 0x41,
  SPAN_ATTRIBUTES: 0x4a,
  SPAN_DROPPED_ATTRIBUTES_COUNT: 0x50,
  SPAN_LINKS: 0x6a,
  SPAN_STATUS: 0x7a,
  STATUS_CODE: 0x18,
  LINK_TRACE_ID: 0x0a,
  LINK_SPAN_ID: 0x12,
  LINK_FLAGS: 0x35,
} as const;

/** Field 16, fixed32: two bytes of tag. */
const SPAN_FLAGS = [0x85, 0x01] as const;
const FLAG_HAS_IS_REMOTE = 0x100;
const FLAG_IS_REMOTE = 0x200;

/** Tag and length of the two messages around the spans, at most. */
const MAX_LENGTHS = 2 * 6;

const KIND = { SERVER: 2, CLIENT: 3 } as const;
const STATUS_ERROR = 2;

export type SpanMark = { readonly spans: number; readonly end: number };

/**
 * Writes spans as an OTLP ExportTraceServiceRequest, straight from what it is told: no object is made
 * for a span or an attribute. Resource and scope are encoded once, by the SDK.
 */
export class OtlpSpans implements SpanSink {
  /** Spans that were written since the last `take`. */
  count = 0;
  private readonly resource: Buffer;
  private readonly scope: Buffer;
  private readonly out: ProtobufWriter;
  private readonly keyValues: KeyValueWriter;
  private spanStart = 0;
  /** Of spans that are alike, by what they have in common: those of one backend do not end the runs of another. */
  private readonly last = { SERVER: new Likenesses(), CLIENT: new Likenesses() };
  private attributes = new LastAttributes();
  /** Counts the buffers that were taken. */
  private generation = 0;

  constructor(scope: SpanScope) {
    ({ resource: this.resource, scope: this.scope } = encodeScope(scope));
    this.out = new ProtobufWriter(this.resource.length + this.scope.length + MAX_LENGTHS);
    this.keyValues = new KeyValueWriter(this.out);
  }

  /** Bytes of a request with these spans, or a few more. */
  get size(): number {
    return this.out.position;
  }

  /** What `take` can be asked for later: the spans so far. */
  mark(): SpanMark {
    return { spans: this.count, end: this.out.position };
  }

  /** The request with all spans since the last call, or those up to a mark; the rest is in the next one. */
  take({ spans, end }: SpanMark = this.mark()): Batch {
    const head = encodeHead(this.resource, this.scope, end - this.out.headRoom);
    const batch = { bytes: this.out.take(head, end), items: spans };
    this.count -= spans;
    this.generation += 1;
    return batch;
  }

  /** Takes back what `take` gave, when nobody needs its bytes any more. */
  giveBack({ bytes }: Batch): void {
    this.out.giveBack(bytes);
  }

  begin(head: SpanHead): void {
    this.count += 1;
    this.out.byte(RequestTag.SCOPE_SPANS_SPANS);
    this.spanStart = this.out.beginMessage();
    const remote = head.hopBytes === undefined ? this.ids(head) : this.idBytes(head, head.hopBytes);
    this.out.text(Tag.SPAN_NAME, head.name);
    this.out.byte(Tag.SPAN_KIND);
    this.out.byte(KIND[head.kind]);
    this.out.nanoseconds(Tag.SPAN_START, head.start);
    this.out.nanoseconds(Tag.SPAN_END, head.end);
    this.out.byte(Tag.SPAN_STATUS);
    if (head.failed) {
      this.out.byte(2);
      this.out.byte(Tag.STATUS_CODE);
      this.out.byte(STATUS_ERROR);
    } else {
      this.out.byte(0);
    }
    this.out.byte(SPAN_FLAGS[0]);
    this.out.byte(SPAN_FLAGS[1]);
    this.out.fixed32(head.traceFlags | FLAG_HAS_IS_REMOTE | remote);
    const { link } = head;
    if (link !== undefined) this.link(link);
    this.attributes = this.last[head.kind].of(head.likeness);
    this.attributes.begin(this.out.position, this.generation);
  }

  /** @returns the flag for a parent that is remote */
  private ids({ traceId, spanId, tracestate, parent }: SpanHead): number {
    this.out.hex(Tag.SPAN_TRACE_ID, traceId);
    this.out.hex(Tag.SPAN_SPAN_ID, spanId);
    if (tracestate !== undefined) this.out.text(Tag.SPAN_TRACE_STATE, tracestate);
    if (parent === undefined) return 0;
    this.out.hex(Tag.SPAN_PARENT_SPAN_ID, parent.spanId);
    return parent.remote ? FLAG_IS_REMOTE : 0;
  }

  private idBytes({ kind, tracestate }: SpanHead, { buffer, start, hasParent }: HopView): number {
    const { out } = this;
    const { TRACE_ID, SPAN_ID, CLIENT_SPAN_ID, PARENT_ID } = HopOffset;
    const own = kind === 'SERVER' ? SPAN_ID : CLIENT_SPAN_ID;
    const parent = kind === 'SERVER' ? PARENT_ID : SPAN_ID;
    out.hexBytes(Tag.SPAN_TRACE_ID, buffer, start + TRACE_ID, TRACE_ID_DIGITS);
    out.hexBytes(Tag.SPAN_SPAN_ID, buffer, start + own, SPAN_ID_DIGITS);
    if (tracestate !== undefined) out.text(Tag.SPAN_TRACE_STATE, tracestate);
    if (kind === 'SERVER' && !hasParent) return 0;
    out.hexBytes(Tag.SPAN_PARENT_SPAN_ID, buffer, start + parent, SPAN_ID_DIGITS);
    return kind === 'SERVER' ? FLAG_IS_REMOTE : 0;
  }

  attribute(name: string, value: AttributeValue): void {
    const { attributes, out } = this;
    if (attributes.repeats(name, value, out.position)) return;
    this.repeat();
    this.keyValues.write(Tag.SPAN_ATTRIBUTES, name, value);
    attributes.wrote(name, value, out.position);
  }

  bytes(
    name: string,
    buffer: Buffer,
    start: number,
    end: number,
    prefix: string,
    isList: boolean,
  ): void {
    const { attributes, out, keyValues } = this;
    if (!keyValues.isShort(name, prefix, end - start, isList)) {
      const value = prefix + buffer.toString('latin1', start, end);
      this.attribute(name, isList ? [value] : value);
      return;
    }
    this.repeat();
    keyValues.writeBytes(Tag.SPAN_ATTRIBUTES, name, buffer, start, end, prefix, isList);
    attributes.wrote(name, UNIQUE, out.position);
  }

  end(dropped = 0): void {
    this.repeat();
    this.attributes.end();
    if (dropped > 0) {
      this.out.byte(Tag.SPAN_DROPPED_ATTRIBUTES_COUNT);
      this.out.varint(dropped);
    }
    const moved = this.out.endMessage(this.spanStart);
    if (moved !== 0) this.attributes.forget();
  }

  /** Writes again what the last span of this kind had too. */
  private repeat(): void {
    const { runStart, runLength } = this.attributes;
    if (runLength === 0) return;
    this.out.copyWithin(runStart, runLength);
    this.attributes.runLength = 0;
  }

  private link({ traceId, spanId, traceFlags }: HopLink): void {
    this.out.byte(Tag.SPAN_LINKS);
    const link = this.out.beginMessage();
    this.out.hex(Tag.LINK_TRACE_ID, traceId);
    this.out.hex(Tag.LINK_SPAN_ID, spanId);
    this.out.byte(Tag.LINK_FLAGS);
    this.out.fixed32(traceFlags | FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE);
    this.out.endMessage(link);
  }
}

/** No value of an attribute is the same. */
const UNIQUE: AttributeValue = [];

/**
 * The encoded `resource` and `scope` fields, cut out of what the SDK makes of a request with one span:
 * in ResourceSpans and in ScopeSpans they are the first field.
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
