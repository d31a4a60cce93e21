import { grow } from '../bytes.ts';

/** `buffer[start, end)` is one record. The bytes are valid during the call only. */
export type RecordSink = (buffer: Buffer, start: number, end: number) => void;

/** Records cannot be separated any more: the connection cannot be read any further. */
export class FramingError extends Error {
  override readonly name = 'FramingError';
}

/** HAProxy's `len` and `maxlen` end at 65535 bytes. */
export const MAX_RECORD_BYTES = 65_536;

const MAX_COUNT_DIGITS = String(MAX_RECORD_BYTES).length;
const SPACE = 0x20;
const ZERO = 0x30;
const NEWLINE = 0x0a;

export type Framing = 'octet-count' | 'newline';

/**
 * Cuts what a ring sends into records: octet-counted (`log-proto octet-count`: RFC 6587, section 3.4.1,
 * MSG-LEN SP SYSLOG-MSG) or a line each, detected by the first bytes of the connection. Whole records are passed on
 * in place; at most one unfinished record is buffered.
 */
export class RecordSplitter {
  /** Undefined until the first bytes came. */
  framing: Framing | undefined;
  /** `held[0, pending)` is the beginning of an unfinished record, which waits for the rest. */
  private held: Buffer = Buffer.alloc(0);
  pending = 0;

  /** The beginning of an unfinished record. */
  rest(): Buffer {
    return Buffer.from(this.held.subarray(0, this.pending));
  }

  /** @throws FramingError when a count is not a number, or a record too large */
  push(chunk: Buffer, sink: RecordSink): void {
    const position = this.pending > 0 ? this.complete(chunk, sink) : 0;
    const rest = position === 0 ? chunk : chunk.subarray(position);
    const end = this.split(rest, sink);
    if (end < rest.length) this.hold(rest, end, rest.length);
  }

  /** Emits the buffered record if its end is in `chunk`; returns where that is, or how much of the chunk was buffered. */
  private complete(chunk: Buffer, sink: RecordSink): number {
    let position = 0;
    while (position < chunk.length && this.pending > 0) {
      const part = Math.min(this.missing(chunk, position), chunk.length - position);
      this.hold(chunk, position, position + part);
      position += part;
      const { held, pending } = this;
      this.pending = 0;
      const end = this.split(held.subarray(0, pending), sink);
      held.copyWithin(0, end, pending);
      this.pending = pending - end;
    }
    return position;
  }

  /** How many bytes of `chunk` may belong to the held record: as many as are known to, a few where that is not known. */
  private missing(chunk: Buffer, position: number): number {
    if (this.framing === 'newline') {
      const end = chunk.indexOf(NEWLINE, position);
      return (end === -1 ? chunk.length : end + 1) - position;
    }
    if (this.framing === undefined) return 1;
    const space = countEnd(this.held.subarray(0, this.pending), 0);
    if (space === -1) return 1;
    return space + 1 + readCount(this.held, 0, space) - this.pending;
  }

  /** Returns where the first record that is not whole starts. */
  private split(bytes: Buffer, sink: RecordSink): number {
    this.framing ??= detectFraming(bytes);
    if (this.framing === undefined) return 0;
    return this.framing === 'newline' ? splitLines(bytes, sink) : splitCounted(bytes, sink);
  }

  private hold(chunk: Buffer, start: number, end: number): void {
    const needed = this.pending + end - start;
    if (needed > this.held.length) {
      this.held = grow(this.held, this.pending, Math.max(needed, MIN_HELD));
    }
    chunk.copy(this.held, this.pending, start, end);
    this.pending = needed;
  }
}

/** Room for one of most records, in bytes. */
const MIN_HELD = 2_048;

/** A count is digits and a space; undefined when the bytes end before that is known. */
function detectFraming(bytes: Buffer): Framing | undefined {
  for (let i = 0; i <= MAX_COUNT_DIGITS; i += 1) {
    const code = bytes[i];
    if (code === undefined) return undefined;
    if (code === SPACE && i > 0) return 'octet-count';
    if (code < ZERO || code > ZERO + 9) return 'newline';
  }
  return 'newline';
}

/** Each returns where the first record that is not whole starts. */
function splitLines(bytes: Buffer, sink: RecordSink): number {
  let position = 0;
  for (;;) {
    const end = bytes.indexOf(NEWLINE, position);
    if (end === -1) break;
    if (end > position) sink(bytes, position, end);
    position = end + 1;
  }
  if (bytes.length - position > MAX_RECORD_BYTES) {
    throw new FramingError(`line of more than ${MAX_RECORD_BYTES} bytes`);
  }
  return position;
}

function splitCounted(bytes: Buffer, sink: RecordSink): number {
  const { length } = bytes;
  let position = 0;
  for (;;) {
    const space = countEnd(bytes, position);
    if (space === -1) return position;
    const start = space + 1;
    const end = start + readCount(bytes, position, space);
    if (end > length) return position;
    if (end > start) sink(bytes, start, end);
    position = end;
  }
}

/** Where the space behind the count is, or -1 when the chunk ends before it. */
function countEnd(bytes: Buffer, start: number): number {
  const limit = Math.min(bytes.length, start + MAX_COUNT_DIGITS + 1);
  for (let i = start; i < limit; i += 1) {
    const code = bytes[i] ?? 0;
    if (code === SPACE && i > start) return i;
    if (code < ZERO || code > ZERO + 9) throw notCounted(bytes, start);
  }
  if (limit === start + MAX_COUNT_DIGITS + 1) throw notCounted(bytes, start);
  return -1;
}

function readCount(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i += 1) count = count * 10 + (bytes[i] ?? 0) - ZERO;
  if (count > MAX_RECORD_BYTES) {
    throw new FramingError(`record of ${count} bytes, at most ${MAX_RECORD_BYTES} accepted`);
  }
  return count;
}

function notCounted(bytes: Buffer, start: number): FramingError {
  const seen = JSON.stringify(bytes.toString('latin1', start, start + 20));
  return new FramingError(`expected "<length> <record>" as the connection began, got ${seen}`);
}
