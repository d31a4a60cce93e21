import { uint32At, viewOf } from '../bytes.ts';
import { BOOLEAN_TRUE, DataType, StatusCode } from './constants.ts';
import { SpopError } from './error.ts';

/** One value of SPOP's TYPED-DATA. STRING is UTF-8; addresses and BINARY are copies of the bytes. */
export type TypedData =
  | { readonly type: typeof DataType.NULL }
  | { readonly type: typeof DataType.BOOLEAN; readonly value: boolean }
  | { readonly type: typeof DataType.INT32 | typeof DataType.UINT32; readonly value: number }
  | { readonly type: typeof DataType.INT64 | typeof DataType.UINT64; readonly value: bigint }
  | { readonly type: typeof DataType.STRING; readonly value: string }
  | {
      readonly type: typeof DataType.IPV4 | typeof DataType.IPV6 | typeof DataType.BINARY;
      readonly value: Buffer;
    };

const TYPE_MASK = 0x0f;
const IPV4_BYTES = 4;
const IPV6_BYTES = 16;

/** Ten bytes hold any 64-bit value: 4 bits in the first, 7 in each that follows. */
const MAX_VARINT_BYTES = 10;

/**
 * A cursor over the bytes of one frame. It never reads past `end`: what is missing is an
 * `SpopError` with status INVALID_FRAME. Nothing is copied unless a value is asked for.
 */
export class Reader {
  buffer: Buffer = Buffer.alloc(0);
  position = 0;
  end = 0;
  private viewed: Buffer = this.buffer;
  private words: DataView = viewOf(this.buffer);

  reset(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  /** The bytes, to be read in words; made once for all frames of a chunk. */
  get view(): DataView {
    if (this.viewed !== this.buffer) {
      this.viewed = this.buffer;
      this.words = viewOf(this.buffer);
    }
    return this.words;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  byte(): number {
    const value = this.position < this.end ? this.buffer[this.position] : undefined;
    if (value === undefined) throw truncated('a byte');
    this.position += 1;
    return value;
  }

  uint32(): number {
    const start = this.advance(4, 'a 32-bit number');
    return uint32At(this.buffer, start);
  }

  /** A varint that counts something in memory: anything above 2^53 - 1 is an invalid frame. */
  varint(): number {
    const first = this.byte();
    if (first < 240) return first;
    let value = first;
    let scale = 16;
    for (let bytes = 1; bytes < MAX_VARINT_BYTES; bytes += 1) {
      const next = this.byte();
      value += next * scale;
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (next < 128) return value;
      scale *= 128;
    }
    throw new SpopError(StatusCode.INVALID_FRAME, 'varint too large');
  }

  /** A varint of up to 64 bits, as an unsigned value. */
  varint64(): bigint {
    const first = this.byte();
    if (first < 240) return BigInt(first);
    let value = BigInt(first);
    let shift = 4n;
    for (let bytes = 1; bytes < MAX_VARINT_BYTES; bytes += 1) {
      const next = this.byte();
      value += BigInt(next) << shift;
      if (next < 128) {
        if (value >> 64n !== 0n) break;
        return value;
      }
      shift += 7n;
    }
    throw new SpopError(StatusCode.INVALID_FRAME, 'varint too large');
  }

  skipVarint(): void {
    if (this.byte() < 240) return;
    for (let bytes = 1; bytes < MAX_VARINT_BYTES; bytes += 1) {
      if (this.byte() < 128) return;
    }
    throw new SpopError(StatusCode.INVALID_FRAME, 'varint too large');
  }

  /** Moves past `length` bytes; returns where they start. */
  advance(length: number, what: string): number {
    if (length > this.remaining) throw truncated(what);
    const start = this.position;
    this.position += length;
    return start;
  }

  /** A length and as many bytes, as UTF-8 text. */
  string(): string {
    const length = this.varint();
    const start = this.advance(length, 'a string');
    return this.buffer.toString('utf8', start, start + length);
  }

  typedData(): TypedData {
    const head = this.byte();
    const type = head & TYPE_MASK;
    switch (type) {
      case DataType.NULL:
        return { type };
      case DataType.BOOLEAN:
        return { type, value: (head & BOOLEAN_TRUE) !== 0 };
      case DataType.INT32:
        return { type, value: Number(BigInt.asIntN(32, this.varint64())) };
      case DataType.UINT32:
        return { type, value: Number(BigInt.asUintN(32, this.varint64())) };
      case DataType.INT64:
        return { type, value: BigInt.asIntN(64, this.varint64()) };
      case DataType.UINT64:
        return { type, value: this.varint64() };
      case DataType.IPV4:
        return { type, value: this.copy(IPV4_BYTES, 'an IPv4 address') };
      case DataType.IPV6:
        return { type, value: this.copy(IPV6_BYTES, 'an IPv6 address') };
      case DataType.STRING:
        return { type, value: this.string() };
      case DataType.BINARY:
        return { type, value: this.copy(this.varint(), 'binary data') };
      default:
        throw new SpopError(StatusCode.INVALID_FRAME, `data type ${type} does not exist`);
    }
  }

  skipTypedData(): void {
    const type = this.byte() & TYPE_MASK;
    switch (type) {
      case DataType.NULL:
      case DataType.BOOLEAN:
        return;
      case DataType.INT32:
      case DataType.UINT32:
      case DataType.INT64:
      case DataType.UINT64:
        this.skipVarint();
        return;
      case DataType.IPV4:
        this.advance(IPV4_BYTES, 'an IPv4 address');
        return;
      case DataType.IPV6:
        this.advance(IPV6_BYTES, 'an IPv6 address');
        return;
      case DataType.STRING:
      case DataType.BINARY:
        this.advance(this.varint(), 'text or binary data');
        return;
      default:
        throw new SpopError(StatusCode.INVALID_FRAME, `data type ${type} does not exist`);
    }
  }

  private copy(length: number, what: string): Buffer {
    const start = this.advance(length, what);
    return Buffer.from(this.buffer.subarray(start, start + length));
  }
}

function truncated(what: string): SpopError {
  return new SpopError(StatusCode.INVALID_FRAME, `frame ends inside ${what}`);
}
