import { copyBytes, grow, viewOf } from '../../bytes.ts';
import { hexDigit } from '../../context/hex.ts';
import { varintBytes, writeVarint } from './wire-format.ts';

const INITIAL_BYTES = 64 * 1024;

/** Of the length of a message that is not known before it is written: most need two bytes. */
const LENGTH_BYTES = 2;

/** From here on a call into Node's own code costs less than a loop. */
const LONG_TEXT = 96;

const LONG_RUN = 512;

/** As many as there are batches in flight at full load. */
const MAX_SPARES = 8;

/** Writes the protobuf wire format into one growing buffer. */
export class ProtobufWriter {
  position: number;
  /** Bytes reserved at the front, for the head of the message, which is known only at the end. */
  readonly headRoom: number;
  private buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  private view = viewOf(this.buffer);
  /** Recycled buffers: a new one costs page faults and an earlier garbage collection. */
  private readonly spares: Buffer<ArrayBuffer>[] = [];
  /** Finished messages that were not recycled yet, with their buffers. */
  private readonly lent = new WeakMap<Buffer, Buffer<ArrayBuffer>>();

  constructor(headRoom: number) {
    this.headRoom = headRoom;
    this.position = headRoom;
  }

  /**
   * Returns `head`, which fits into the room for it, and what was written up to `end`; the rest begins the next
   * message. A well filled buffer is returned itself, and replaced: copying it would cost as much as all the
   * encoding.
   */
  finish(head: Buffer, end = this.position): Buffer<ArrayBuffer> {
    const { buffer, position } = this;
    const start = this.headRoom - head.length;
    head.copy(buffer, start);
    const bytes = buffer.subarray(start, end);
    this.position = this.headRoom + position - end;
    if (bytes.length < buffer.length / 2) {
      // Not from Node's pool: a waiting batch would retain all of it.
      const copy = Buffer.allocUnsafeSlow(bytes.length);
      bytes.copy(copy);
      buffer.copyWithin(this.headRoom, end, position);
      return copy;
    }
    this.lent.set(bytes, buffer);
    const spare = this.spares.pop();
    this.use(spare?.length === buffer.length ? spare : Buffer.allocUnsafeSlow(buffer.length));
    buffer.copy(this.buffer, this.headRoom, end, position);
    return bytes;
  }

  /** Reuses the buffer of what `finish` returned, which must not be read any more. Ignores any other buffer. */
  recycle(bytes: Buffer): void {
    const buffer = this.lent.get(bytes);
    if (buffer === undefined) return;
    this.lent.delete(bytes);
    if (this.spares.length < MAX_SPARES) this.spares.push(buffer);
  }

  /** Discards what was written since `start`. */
  rewind(start: number): void {
    this.position = start;
  }

  /** A bytes field, from lower-case hexadecimal digits. */
  hex(tag: number, digits: string): void {
    const length = digits.length / 2;
    let position = this.reserve(2 + length);
    const { buffer } = this;
    buffer[position] = tag;
    buffer[position + 1] = length;
    position += 2;
    for (let i = 0; i < length; i += 1) {
      const high = hexDigit(digits.charCodeAt(i * 2));
      buffer[position + i] = high * 16 + hexDigit(digits.charCodeAt(i * 2 + 1));
    }
  }

  /** A bytes field, from `digits` lower-case hexadecimal digits that stand in `source` from `start` on. */
  hexBytes(tag: number, source: Buffer, start: number, digits: number): void {
    const length = digits / 2;
    let position = this.reserve(2 + length);
    const { buffer } = this;
    buffer[position] = tag;
    buffer[position + 1] = length;
    position += 2;
    for (let i = 0; i < length; i += 1) {
      const high = hexDigit(source[start + i * 2] ?? 0);
      buffer[position + i] = high * 16 + hexDigit(source[start + i * 2 + 1] ?? 0);
    }
  }

  /** A string field. */
  text(tag: number, text: string): void {
    const start = this.position;
    if (text.length < LONG_TEXT) {
      this.byte(tag);
      this.byte(text.length);
      if (this.ascii(text)) return;
      this.rewind(start);
    }
    const length = Buffer.byteLength(text);
    this.byte(tag);
    this.varint(length);
    const position = this.reserve(length);
    this.buffer.write(text, position, length, length === text.length ? 'latin1' : 'utf8');
  }

  /** Writes the text if it is ASCII, and returns whether it was. */
  ascii(text: string): boolean {
    const position = this.reserve(text.length);
    const { buffer } = this;
    let seen = 0;
    for (let i = 0; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      seen |= code;
      buffer[position + i] = code;
    }
    return seen < 0x80;
  }

  /** A fixed64 field with the nanoseconds of `microseconds`, which a number could not hold. */
  nanoseconds(tag: number, microseconds: number): void {
    const high = Math.floor(microseconds / 2 ** 32);
    const low = (microseconds - high * 2 ** 32) * 1000;
    const carry = Math.floor(low / 2 ** 32);
    const position = this.reserve(9);
    this.buffer[position] = tag;
    this.view.setUint32(position + 1, low - carry * 2 ** 32, true);
    this.view.setUint32(position + 5, high * 1000 + carry, true);
  }

  /** Leaves room for the length; returns where the message starts. */
  beginMessage(): number {
    this.reserve(LENGTH_BYTES);
    return this.position;
  }

  /** Writes the length; returns how far that moved the message, as it does where the length is of another size. */
  endMessage(start: number): number {
    const length = this.position - start;
    const moved = varintBytes(length) - LENGTH_BYTES;
    if (moved !== 0) {
      if (moved > 0) this.reserve(moved);
      else this.position += moved;
      this.buffer.copyWithin(start + moved, start, start + length);
    }
    writeVarint(this.buffer, start - LENGTH_BYTES, length);
    return moved;
  }

  /** An int64, whose negative numbers have ten bytes. @param value a whole number from -2^63 to below 2^63 */
  int64(value: number): void {
    if (value >= 0) {
      this.varint(value);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 128n; rest >>= 7n) this.byte(Number(rest & 127n) | 0x80);
    this.byte(Number(rest));
  }

  varint(value: number): void {
    const position = this.reserve(varintBytes(value));
    writeVarint(this.buffer, position, value);
  }

  byte(value: number): void {
    const position = this.reserve(1);
    this.buffer[position] = value;
  }

  /** Bytes as they are. */
  raw(bytes: Buffer): void {
    const position = this.reserve(bytes.length);
    bytes.copy(this.buffer, position);
  }

  /** `source[start, end)`, which is short. */
  bytes(source: Buffer, start: number, end: number): void {
    const length = end - start;
    const position = this.reserve(length);
    const { buffer } = this;
    for (let i = 0; i < length; i += 1) buffer[position + i] = source[start + i] ?? 0;
  }

  copy(bytes: DataView): void {
    const position = this.reserve(bytes.byteLength);
    copyBytes(bytes, 0, this.view, position, bytes.byteLength);
  }

  /** Writes again what stands at `start`. */
  copyWithin(start: number, length: number): void {
    const position = this.reserve(length);
    if (length < LONG_RUN) copyBytes(this.view, start, this.view, position, length);
    else this.buffer.copyWithin(position, start, start + length);
  }

  fixed32(value: number): void {
    const position = this.reserve(4);
    this.view.setUint32(position, value, true);
  }

  double(value: number): void {
    const position = this.reserve(8);
    this.view.setFloat64(position, value, true);
  }

  private reserve(length: number): number {
    const start = this.position;
    this.position += length;
    if (this.position > this.buffer.length) this.use(grow(this.buffer, start, this.position));
    return start;
  }

  private use(buffer: Buffer<ArrayBuffer>): void {
    this.buffer = buffer;
    this.view = viewOf(buffer);
  }
}
