const INITIAL_BYTES = 64 * 1024;

/** The pieces of the protobuf wire format that spans are made of, in one growing buffer. */
export class ProtobufWriter {
  position = 0;
  private buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);

  /** What was written so far. Valid until the next call of `clear`. */
  bytes(): Buffer {
    return this.buffer.subarray(0, this.position);
  }

  /** Forgets what was written; the buffer stays. */
  clear(): void {
    this.position = 0;
  }

  /** A bytes field, from `hex` digits. */
  hex(tag: number, hex: string, bytes: number): void {
    this.byte(tag);
    this.byte(bytes);
    const position = this.reserve(bytes);
    this.buffer.write(hex, position, bytes, 'hex');
  }

  /** A string field. */
  text(tag: number, text: string): void {
    this.byte(tag);
    const length = Buffer.byteLength(text);
    this.varint(length);
    const position = this.reserve(length);
    if (length === text.length) this.buffer.write(text, position, length, 'latin1');
    else this.buffer.write(text, position, length, 'utf8');
  }

  /** A fixed64 field with the nanoseconds of `microseconds`, which a number could not hold. */
  nanoseconds(tag: number, microseconds: number): void {
    this.byte(tag);
    const high = Math.floor(microseconds / 2 ** 32);
    const low = (microseconds - high * 2 ** 32) * 1000;
    const carry = Math.floor(low / 2 ** 32);
    const position = this.reserve(8);
    this.buffer.writeUInt32LE(low - carry * 2 ** 32, position);
    this.buffer.writeUInt32LE(high * 1000 + carry, position + 4);
  }

  /** Leaves one byte for the length; returns where the message starts. */
  beginMessage(): number {
    this.reserve(1);
    return this.position;
  }

  /** Writes the length, and moves the message where that needs more than one byte. */
  endMessage(start: number): void {
    const length = this.position - start;
    const more = varintBytes(length) - 1;
    if (more > 0) {
      this.reserve(more);
      this.buffer.copyWithin(start + more, start, start + length);
    }
    writeVarint(this.buffer, start - 1, length);
  }

  varint(value: number): void {
    const position = this.reserve(varintBytes(value));
    writeVarint(this.buffer, position, value);
  }

  byte(value: number): void {
    const position = this.reserve(1);
    this.buffer[position] = value;
  }

  copy(bytes: Buffer): void {
    const position = this.reserve(bytes.length);
    this.buffer.set(bytes, position);
  }

  fixed32(value: number): void {
    const position = this.reserve(4);
    this.buffer.writeUInt32LE(value, position);
  }

  double(value: number): void {
    const position = this.reserve(8);
    this.buffer.writeDoubleLE(value, position);
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

/** Where the content of the length-delimited field at `position` starts. */
export function fieldContent(bytes: Buffer, position: number): number {
  let start = position + 1;
  while ((bytes[start] ?? 0) >= 0x80) start += 1;
  return start + 1;
}

/** Where the length-delimited field at `position` ends. */
export function fieldEnd(bytes: Buffer, position: number): number {
  const start = fieldContent(bytes, position);
  let length = 0;
  for (let i = start - 1; i > position; i -= 1) length = length * 128 + ((bytes[i] ?? 0) & 0x7f);
  return start + length;
}

/** Tag and length of a field whose content follows. */
export function lengthDelimited(tag: number, length: number): Buffer {
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
