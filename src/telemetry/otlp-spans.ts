import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { AttributeValue } from '../records/record.ts';
import type { Batch } from './otlp.ts';
import { ReadableSpans, type SpanScope } from './readable-spans.ts';
import type { SpanHead, SpanSink } from './spans.ts';

const INITIAL_BYTES = 64 * 1024;

/** Wire types and field numbers of opentelemetry-proto's trace.proto and common.proto, as tag bytes. */
const Tag = {
  REQUEST_RESOURCE_SPANS: 0x0a,
  RESOURCE_SPANS_SCOPE_SPANS: 0x12,
  SCOPE_SPANS_SPANS: 0x12,
  SPAN_TRACE_ID: 0x0a,
  SPAN_SPAN_ID: 0x12,
  SPAN_TRACE_STATE: 0x1a,
  SPAN_PARENT_SPAN_ID: 0x22,
  SPAN_NAME: 0x2a,
  SPAN_KIND: 0x30,
  SPAN_START: 0x39,
  SPAN_END: 0x41,
  SPAN_ATTRIBUTES: 0x4a,
  SPAN_STATUS: 0x7a,
  STATUS_CODE: 0x18,
  KEY_VALUE_KEY: 0x0a,
  KEY_VALUE_VALUE: 0x12,
  ANY_STRING: 0x0a,
  ANY_BOOL: 0x10,
  ANY_INT: 0x18,
  ANY_DOUBLE: 0x21,
  ANY_ARRAY: 0x2a,
  ARRAY_VALUES: 0x0a,
} as const;

/** Field 16, fixed32: two bytes of tag. */
const SPAN_FLAGS = [0x85, 0x01] as const;
const FLAG_HAS_IS_REMOTE = 0x100;
const FLAG_IS_REMOTE = 0x200;

const KIND = { SERVER: 2, CLIENT: 3 } as const;
const STATUS_ERROR = 2;

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/**
 * Writes spans as an OTLP ExportTraceServiceRequest, straight from what it is told: no object is made
 * for a span or an attribute. Resource and scope are encoded once, by the SDK.
 */
export class OtlpSpans implements SpanSink {
  /** Spans that were written since the last `take`. */
  count = 0;
  private readonly resource: Buffer;
  private readonly scope: Buffer;
  private readonly keys = new Map<string, Buffer>();
  private buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  private position = 0;
  private spanStart = 0;

  constructor(scope: SpanScope) {
    ({ resource: this.resource, scope: this.scope } = encodeScope(scope));
  }

  /** Bytes of these spans. */
  get size(): number {
    return this.position;
  }

  /** The request with all spans since the last call. */
  take(): Batch {
    const scopeSpans = this.scope.length + this.position;
    const scopeSpansHead = lengthDelimited(Tag.RESOURCE_SPANS_SCOPE_SPANS, scopeSpans);
    const resourceSpans = this.resource.length + scopeSpansHead.length + scopeSpans;
    const bytes = Buffer.concat([
      lengthDelimited(Tag.REQUEST_RESOURCE_SPANS, resourceSpans),
      this.resource,
      scopeSpansHead,
      this.scope,
      this.buffer.subarray(0, this.position),
    ]);
    const batch = { bytes, spans: this.count };
    this.position = 0;
    this.count = 0;
    return batch;
  }

  begin(head: SpanHead): void {
    this.count += 1;
    this.byte(Tag.SCOPE_SPANS_SPANS);
    this.spanStart = this.beginMessage();
    this.id(Tag.SPAN_TRACE_ID, head.traceId, TRACE_ID_BYTES);
    this.id(Tag.SPAN_SPAN_ID, head.spanId, SPAN_ID_BYTES);
    if (head.tracestate !== undefined) this.text(Tag.SPAN_TRACE_STATE, head.tracestate);
    if (head.parent !== undefined) {
      this.id(Tag.SPAN_PARENT_SPAN_ID, head.parent.spanId, SPAN_ID_BYTES);
    }
    this.text(Tag.SPAN_NAME, head.name);
    this.byte(Tag.SPAN_KIND);
    this.byte(KIND[head.kind]);
    this.time(Tag.SPAN_START, head.start);
    this.time(Tag.SPAN_END, head.end);
    this.byte(Tag.SPAN_STATUS);
    if (head.failed) {
      this.byte(2);
      this.byte(Tag.STATUS_CODE);
      this.byte(STATUS_ERROR);
    } else {
      this.byte(0);
    }
    this.byte(SPAN_FLAGS[0]);
    this.byte(SPAN_FLAGS[1]);
    const remote = head.parent?.remote === true ? FLAG_IS_REMOTE : 0;
    const position = this.reserve(4);
    this.buffer.writeUInt32LE(head.traceFlags | FLAG_HAS_IS_REMOTE | remote, position);
  }

  attribute(name: string, value: AttributeValue): void {
    this.byte(Tag.SPAN_ATTRIBUTES);
    const keyValue = this.beginMessage();
    this.copy(this.key(name));
    this.byte(Tag.KEY_VALUE_VALUE);
    const any = this.beginMessage();
    this.anyValue(value);
    this.endMessage(any);
    this.endMessage(keyValue);
  }

  end(): void {
    this.endMessage(this.spanStart);
  }

  private anyValue(value: AttributeValue): void {
    switch (typeof value) {
      case 'string':
        this.text(Tag.ANY_STRING, value);
        return;
      case 'boolean':
        this.byte(Tag.ANY_BOOL);
        this.byte(value ? 1 : 0);
        return;
      case 'number':
        this.number(value);
        return;
      default: {
        this.byte(Tag.ANY_ARRAY);
        const array = this.beginMessage();
        for (const item of value) {
          this.byte(Tag.ARRAY_VALUES);
          const any = this.beginMessage();
          this.text(Tag.ANY_STRING, item);
          this.endMessage(any);
        }
        this.endMessage(array);
      }
    }
  }

  /** Whole numbers from 0 on are integers, all others doubles. */
  private number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0) {
      this.byte(Tag.ANY_INT);
      this.varint(value);
      return;
    }
    this.byte(Tag.ANY_DOUBLE);
    const position = this.reserve(8);
    this.buffer.writeDoubleLE(value, position);
  }

  private key(name: string): Buffer {
    const known = this.keys.get(name);
    if (known !== undefined) return known;
    const text = Buffer.from(name);
    const key = Buffer.concat([lengthDelimited(Tag.KEY_VALUE_KEY, text.length), text]);
    if (this.keys.size < MAX_KEYS) this.keys.set(name, key);
    return key;
  }

  private id(tag: number, hex: string, bytes: number): void {
    this.byte(tag);
    this.byte(bytes);
    const position = this.reserve(bytes);
    this.buffer.write(hex, position, bytes, 'hex');
  }

  private text(tag: number, text: string): void {
    this.byte(tag);
    const length = Buffer.byteLength(text);
    this.varint(length);
    const position = this.reserve(length);
    if (length === text.length) this.buffer.write(text, position, length, 'latin1');
    else this.buffer.write(text, position, length, 'utf8');
  }

  /** Nanoseconds in 64 bits, without a number that has more than 53. */
  private time(tag: number, microseconds: number): void {
    this.byte(tag);
    const high = Math.floor(microseconds / 2 ** 32);
    const low = (microseconds - high * 2 ** 32) * 1000;
    const carry = Math.floor(low / 2 ** 32);
    const position = this.reserve(8);
    this.buffer.writeUInt32LE(low - carry * 2 ** 32, position);
    this.buffer.writeUInt32LE(high * 1000 + carry, position + 4);
  }

  /** Leaves one byte for the length; returns where the message starts. */
  private beginMessage(): number {
    this.reserve(1);
    return this.position;
  }

  /** Writes the length, and moves the message where that needs more than one byte. */
  private endMessage(start: number): void {
    const length = this.position - start;
    const more = varintBytes(length) - 1;
    if (more > 0) {
      this.reserve(more);
      this.buffer.copyWithin(start + more, start, start + length);
    }
    writeVarint(this.buffer, start - 1, length);
  }

  private varint(value: number): void {
    const position = this.reserve(varintBytes(value));
    writeVarint(this.buffer, position, value);
  }

  private byte(value: number): void {
    const position = this.reserve(1);
    this.buffer[position] = value;
  }

  private copy(bytes: Buffer): void {
    const position = this.reserve(bytes.length);
    this.buffer.set(bytes, position);
  }

  private reserve(length: number): number {
    const start = this.position;
    this.position += length;
    if (this.position > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.position, this.buffer.length * 2));
      this.buffer.copy(grown, 0, 0, start);
      this.buffer = grown;
    }
    return start;
  }
}

/** Attribute names come from configuration; this many are kept encoded. */
const MAX_KEYS = 1024;

/**
 * The encoded `resource` and `scope` fields, cut out of what the SDK makes of a request with one span:
 * in ResourceSpans and in ScopeSpans they are the first field.
 */
function encodeScope(scope: SpanScope): { resource: Buffer; scope: Buffer } {
  const spans = new ReadableSpans(scope);
  spans.begin({
    name: '',
    kind: 'SERVER',
    traceId: '0'.repeat(2 * TRACE_ID_BYTES),
    spanId: '0'.repeat(2 * SPAN_ID_BYTES),
    traceFlags: 0,
    tracestate: undefined,
    parent: undefined,
    start: 0,
    end: 0,
    failed: false,
  });
  const encoded = ProtobufTraceSerializer.serializeRequest(spans.take());
  if (encoded === undefined) throw new Error('the resource cannot be encoded');
  const request = Buffer.from(encoded);
  const resourceSpans = content(request, 0);
  const scopeSpansAt = fieldEnd(request, resourceSpans);
  const scopeSpans = content(request, scopeSpansAt);
  return {
    resource: request.subarray(resourceSpans, scopeSpansAt),
    scope: request.subarray(scopeSpans, fieldEnd(request, scopeSpans)),
  };
}

/** Where the content of the length-delimited field at `position` starts. */
function content(bytes: Buffer, position: number): number {
  let start = position + 1;
  while ((bytes[start] ?? 0) >= 0x80) start += 1;
  return start + 1;
}

/** Where the length-delimited field at `position` ends. */
function fieldEnd(bytes: Buffer, position: number): number {
  const start = content(bytes, position);
  let length = 0;
  for (let i = start - 1; i > position; i -= 1) length = length * 128 + ((bytes[i] ?? 0) & 0x7f);
  return start + length;
}

function lengthDelimited(tag: number, length: number): Buffer {
  const bytes = Buffer.alloc(1 + varintBytes(length));
  bytes[0] = tag;
  writeVarint(bytes, 1, length);
  return bytes;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

function writeVarint(target: Buffer, position: number, value: number): void {
  let place = position;
  let rest = value;
  while (rest >= 128) {
    target[place] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
    place += 1;
  }
  target[place] = rest;
}
