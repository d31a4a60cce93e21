import { copyBytes, grow, viewOf } from '../bytes.ts';
import { BOOLEAN_TRUE, DataType, LENGTH_BYTES } from './constants.ts';
import type { TypedData } from './reader.ts';

const INITIAL_BYTES = 4096;

/** Up to here a loop costs less than a call into Node's own code. */
const FEW_BYTES = 12;

/** Frames, one after the other, in one growing buffer that is used again after `clear`. */
export class Writer {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** The same bytes. */
  view: DataView = viewOf(this.buffer);
  position = 0;
  private frameStart = 0;

  /** What was written so far. Valid until the next call of `clear`. */
  bytes(): Buffer {
    return this.buffer.subarray(0, this.position);
  }

  /** Discards what was written; the buffer is reused. */
  clear(): void {
    this.position = 0;
  }

  /** Abandons the buffer with what was written, because it is still being read from. */
  release(): void {
    this.use(Buffer.allocUnsafeSlow(INITIAL_BYTES));
    this.position = 0;
  }

  /** Makes room for `length` bytes and moves past them; returns where they start. */
  reserve(length: number): number {
    const start = this.position;
    const needed = start + length;
    if (needed > this.buffer.length) this.use(grow(this.buffer, start, needed));
    this.position = needed;
    return start;
  }

  beginFrame(): void {
    this.frameStart = this.reserve(LENGTH_BYTES);
  }

  endFrame(): void {
    const length = this.position - this.frameStart - LENGTH_BYTES;
    this.view.setUint32(this.frameStart, length);
  }

  /** Discards the unfinished frame. */
  abandonFrame(): void {
    this.position = this.frameStart;
  }

  byte(value: number): void {
    const start = this.reserve(1);
    this.buffer[start] = value;
  }

  uint32(value: number): void {
    const start = this.reserve(4);
    this.view.setUint32(start, value);
  }

  /** Copies `source[start, end)`. */
  copy(source: Buffer, start: number, end: number): void {
    const length = end - start;
    const target = this.reserve(length);
    if (length > FEW_BYTES) {
      source.copy(this.buffer, target, start, end);
      return;
    }
    for (let i = 0; i < length; i += 1) this.buffer[target + i] = source[start + i] ?? 0;
  }

  /** Copies all of `source`. */
  copyView(source: DataView): void {
    const position = this.reserve(source.byteLength);
    copyBytes(source, 0, this.view, position, source.byteLength);
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    if (value < 240) {
      this.byte(value);
      return;
    }
    this.byte((value & 0x0f) | 240);
    let rest = Math.floor((value - 240) / 16);
    while (rest >= 128) {
      this.byte((rest & 0x7f) | 0x80);
      rest = Math.floor((rest - 128) / 128);
    }
    this.byte(rest);
  }

  /** A whole number from 0 to 2^64 - 1. */
  varint64(value: bigint): void {
    if (value < 240n) {
      this.byte(Number(value));
      return;
    }
    this.byte(Number(value & 0x0fn) | 240);
    let rest = (value - 240n) >> 4n;
    while (rest >= 128n) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest = (rest - 128n) >> 7n;
    }
    this.byte(Number(rest));
  }

  string(value: string): void {
    const length = Buffer.byteLength(value);
    this.varint(length);
    const start = this.reserve(length);
    this.buffer.write(value, start, 'utf8');
  }

  typedData(data: TypedData): void {
    switch (data.type) {
      case DataType.NULL:
        this.byte(data.type);
        return;
      case DataType.BOOLEAN:
        this.byte(data.type | (data.value ? BOOLEAN_TRUE : 0));
        return;
      case DataType.INT32:
      case DataType.UINT32:
        // HAProxy widens 32-bit integers to 64 bits, sign included, before it writes them.
        this.byte(data.type);
        this.varint64(BigInt.asUintN(64, BigInt(data.value)));
        return;
      case DataType.INT64:
      case DataType.UINT64:
        this.byte(data.type);
        this.varint64(BigInt.asUintN(64, data.value));
        return;
      case DataType.IPV4:
      case DataType.IPV6:
        this.byte(data.type);
        this.copy(data.value, 0, data.value.length);
        return;
      case DataType.STRING:
        this.byte(data.type);
        this.string(data.value);
        return;
      case DataType.BINARY:
        this.byte(data.type);
        this.varint(data.value.length);
        this.copy(data.value, 0, data.value.length);
        return;
      default:
        data satisfies never;
    }
  }

  private use(buffer: Buffer): void {
    this.buffer = buffer;
    this.view = viewOf(buffer);
  }
}
