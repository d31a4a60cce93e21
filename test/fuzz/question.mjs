import { DataType } from '../../dist/spop/constants.js';

/** A NOTIFY from its identifiers on, written for each input anew: by code that is not instrumented, and allocates nothing. */
export class Question {
  bytes = Buffer.alloc(16_384);
  length = 0;

  /** With STREAM-ID and FRAME-ID. */
  begin() {
    this.bytes[0] = 1;
    this.bytes[1] = 1;
    this.length = 2;
  }

  message(name, args) {
    this.name(name);
    this.bytes[this.length] = args;
    this.length += 1;
  }

  nothing(name) {
    this.name(name);
    this.bytes[this.length] = DataType.NULL;
    this.length += 1;
  }

  /** @param value up to 239 */
  count(name, value) {
    this.name(name);
    this.bytes[this.length] = DataType.UINT32;
    this.bytes[this.length + 1] = value;
    this.length += 2;
  }

  /** `source[start, end)`, up to 2,287 bytes. */
  text(name, source, start, end) {
    this.name(name);
    const length = end - start;
    this.bytes[this.length] = DataType.STRING;
    this.bytes[this.length + 1] = length < 240 ? length : 240 | (length & 0x0f);
    this.length += 2;
    if (length >= 240) {
      this.bytes[this.length] = (length - 240) >> 4;
      this.length += 1;
    }
    source.copy(this.bytes, this.length, start, end);
    this.length += length;
  }

  name(text) {
    this.bytes[this.length] = text.length;
    for (let i = 0; i < text.length; i += 1) this.bytes[this.length + 1 + i] = text.charCodeAt(i);
    this.length += 1 + text.length;
  }
}
