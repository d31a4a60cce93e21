import { viewOf } from '../../bytes.ts';
import { type AttributeValue, Double } from '../../records/record.ts';
import type { ProtobufWriter } from './protobuf.ts';
import { int64Bytes, lengthDelimited } from './wire-format.ts';

/** Wire types and field numbers of opentelemetry-proto's common.proto, as tag bytes. */
const Tag = {
  KEY_VALUE_KEY: 0x0a,
  KEY_VALUE_VALUE: 0x12,
  ANY_STRING: 0x0a,
  ANY_BOOL: 0x10,
  ANY_INT: 0x18,
  ANY_DOUBLE: 0x21,
  ANY_ARRAY: 0x2a,
  ARRAY_VALUES: 0x0a,
} as const;

/** Writes attributes, of spans and of log records alike. */
export class KeyValueWriter {
  private readonly keys = new Map<string, DataView>();
  private readonly out: ProtobufWriter;

  constructor(out: ProtobufWriter) {
    this.out = out;
  }

  /** A KeyValue, as a field with this tag. */
  write(tag: number, name: string, value: AttributeValue): void {
    const { out } = this;
    const key = this.key(name);
    const start = out.position;
    out.byte(tag);
    // Most attributes are short, of a size that is known before they are written.
    const any = sizeOfAny(value);
    const size = key.byteLength + 2 + any;
    if (size < 0x80) {
      out.byte(size);
      out.copy(key);
      out.byte(Tag.KEY_VALUE_VALUE);
      out.byte(any);
      if (this.shortValue(value)) return;
      out.rewind(start + 1);
    }
    const message = out.beginMessage();
    out.copy(key);
    out.byte(Tag.KEY_VALUE_VALUE);
    const anyValue = out.beginMessage();
    this.anyValue(value);
    out.endMessage(anyValue);
    out.endMessage(message);
  }

  /** Whether `writeBytes` can write it. @param length of the bytes */
  isShort(name: string, prefix: string, length: number, isList: boolean): boolean {
    const rest = 4 + prefix.length + length + (isList ? 4 : 0);
    return this.key(name).byteLength + rest < 0x80 && isAscii(prefix);
  }

  /** As `write`, of the text `prefix` with the ASCII characters of `buffer[start, end)` behind it, where it is short. */
  writeBytes(
    tag: number,
    name: string,
    buffer: Buffer,
    start: number,
    end: number,
    prefix: string,
    isList: boolean,
  ): void {
    const { out } = this;
    const key = this.key(name);
    const text = prefix.length + end - start;
    out.byte(tag);
    out.byte(key.byteLength + 4 + text + (isList ? 4 : 0));
    out.copy(key);
    out.byte(Tag.KEY_VALUE_VALUE);
    if (isList) {
      out.byte(text + 6);
      out.byte(Tag.ANY_ARRAY);
      out.byte(text + 4);
      out.byte(Tag.ARRAY_VALUES);
    }
    out.byte(text + 2);
    out.byte(Tag.ANY_STRING);
    out.byte(text);
    out.ascii(prefix);
    out.bytes(buffer, start, end);
  }

  /** Whether its size is the one that `sizeOfAny` returned. */
  private shortValue(value: AttributeValue): boolean {
    if (typeof value !== 'string') {
      this.anyValue(value);
      return true;
    }
    this.out.byte(Tag.ANY_STRING);
    this.out.byte(value.length);
    return this.out.ascii(value);
  }

  private anyValue(value: AttributeValue): void {
    switch (typeof value) {
      case 'string':
        this.out.text(Tag.ANY_STRING, value);
        return;
      case 'boolean':
        this.out.byte(Tag.ANY_BOOL);
        this.out.byte(value ? 1 : 0);
        return;
      case 'number':
        this.number(value);
        return;
      default: {
        if (value instanceof Double) {
          this.double(value.value);
          return;
        }
        this.out.byte(Tag.ANY_ARRAY);
        const array = this.out.beginMessage();
        for (const item of value) {
          this.out.byte(Tag.ARRAY_VALUES);
          const any = this.out.beginMessage();
          this.out.text(Tag.ANY_STRING, item);
          this.out.endMessage(any);
        }
        this.out.endMessage(array);
      }
    }
  }

  private number(value: number): void {
    if (!isInteger(value)) {
      this.double(value);
      return;
    }
    this.out.byte(Tag.ANY_INT);
    this.out.int64(value);
  }

  private double(value: number): void {
    this.out.byte(Tag.ANY_DOUBLE);
    this.out.double(value);
  }

  private key(name: string): DataView {
    const known = this.keys.get(name);
    if (known !== undefined) return known;
    const text = Buffer.from(name);
    const key = viewOf(Buffer.concat([lengthDelimited(Tag.KEY_VALUE_KEY, text.length), text]));
    if (this.keys.size < MAX_KEYS) this.keys.set(name, key);
    return key;
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}

/** Whether it is one for OTLP: a whole number that an int64 can hold. */
function isInteger(value: number): boolean {
  return Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
}

/** Bytes of an AnyValue; of text, if it is ASCII. For what is rarely short, more than any short value has. */
function sizeOfAny(value: AttributeValue): number {
  switch (typeof value) {
    case 'string':
      return 2 + value.length;
    case 'boolean':
      return 2;
    case 'number':
      return isInteger(value) ? 1 + int64Bytes(value) : 9;
    default:
      return Number.POSITIVE_INFINITY;
  }
}

/** Attribute names come from configuration; this many are remembered. */
const MAX_KEYS = 1024;
