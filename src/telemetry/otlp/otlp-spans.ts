import { type HopLink, HopOffset } from '../../context/hop.ts';
import type { HopView } from '../../context/hop-view.ts';
import { SPAN_ID_DIGITS, TRACE_ID_DIGITS } from '../../context/traceparent.ts';
import type { SpanScope } from '../resource.ts';
import type { SpanHead, SpanSink } from '../spans/span-writer.ts';
import { Likenesses } from './last-attributes.ts';
import { OtlpItems } from './otlp-items.ts';

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

const TAGS = { attributes: 0x4a, droppedAttributesCount: 0x50 } as const;

const KIND = { SERVER: 2, CLIENT: 3 } as const;
const STATUS_ERROR = 2;

/** Writes spans as an OTLP ExportTraceServiceRequest. */
export class OtlpSpans extends OtlpItems implements SpanSink {
  /** Of spans that are alike, by what they have in common: those of one backend do not end the runs of another. */
  private readonly alike = { SERVER: new Likenesses(), CLIENT: new Likenesses() };

  constructor(scope: SpanScope) {
    super(scope, TAGS);
  }

  begin(head: SpanHead): void {
    this.beginItem();
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
    this.beginAttributes(this.alike[head.kind].of(head.likeness));
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
