import type { AttributeValue } from '../../records/record.ts';
import type { SpanLimits } from '../config.ts';
import type { SpanHead, SpanSink } from './span-writer.ts';

/** Passes spans on with no more attributes than the limits allow, and none longer: those that come last are dropped. */
export class LimitedSpans implements SpanSink {
  private readonly sink: SpanSink;
  private readonly most: number;
  private readonly length: number | undefined;
  private count = 0;

  constructor(sink: SpanSink, limits: SpanLimits) {
    this.sink = sink;
    this.most = limits.attributeCount;
    this.length = limits.attributeValueLength;
  }

  begin(head: SpanHead): void {
    this.count = 0;
    this.sink.begin(head);
  }

  attribute(name: string, value: AttributeValue): void {
    this.count += 1;
    if (this.count > this.most) return;
    this.sink.attribute(name, this.length === undefined ? value : shortened(value, this.length));
  }

  bytes(
    name: string,
    buffer: Buffer,
    start: number,
    end: number,
    prefix: string,
    isList: boolean,
  ): void {
    if (this.length === undefined && this.sink.bytes !== undefined) {
      this.count += 1;
      if (this.count <= this.most) this.sink.bytes(name, buffer, start, end, prefix, isList);
      return;
    }
    const text = prefix + buffer.toString('latin1', start, end);
    this.attribute(name, isList ? [text] : text);
  }

  end(): void {
    this.sink.end(Math.max(0, this.count - this.most));
  }
}

/** Strings, and each string of a list, as long as they may be. */
function shortened(value: AttributeValue, length: number): AttributeValue {
  if (typeof value === 'string') return cut(value, length);
  if (!Array.isArray(value)) return value;
  return value.some((item) => item.length > length)
    ? value.map((item) => cut(item, length))
    : value;
}

/** Characters are code points, as in the specification: none is cut in two. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  let end = 0;
  for (let count = 0; count < length && end < text.length; count += 1) {
    end += (text.codePointAt(end) ?? 0) > 0xff_ff ? 2 : 1;
  }
  return text.slice(0, end);
}
