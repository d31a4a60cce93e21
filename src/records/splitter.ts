/** `buffer[start, end)` is one record. The bytes are valid during the call only. */
export type RecordSink = (buffer: Buffer, start: number, end: number) => void;

/** Records cannot be told apart any more: the connection cannot be read any further. */
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
 * MSG-LEN SP SYSLOG-MSG) or a line each, as the first bytes of the connection say. Whole records are
 * handed on where they lie in the chunk; at most one unfinished record is held.
 */
export class RecordSplitter {
  /** Undefined until the first bytes came. */
  framing: Framing | undefined;
  private held: Buffer = Buffer.alloc(0);

  /** Bytes of an unfinished record that wait for the rest. */
  get pending(): number {
    return this.held.length;
  }

  /** @throws FramingError when a count is not a number, or a record too large */
  push(chunk: Buffer, sink: RecordSink): void {
    const bytes = this.held.length > 0 ? Buffer.concat([this.held, chunk]) : chunk;
    this.held = Buffer.alloc(0);
    this.framing ??= detectFraming(bytes);
    const position =
      this.framing === undefined
        ? 0
        : this.framing === 'newline'
          ? splitLines(bytes, sink)
          : splitCounted(bytes, sink);
    if (position < bytes.length) this.held = Buffer.from(bytes.subarray(position));
  }
}

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
