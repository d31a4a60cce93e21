/**
 * One field of a record: `buffer[keyStart, keyEnd)` and `buffer[valueStart, valueEnd)`, quotes left out.
 * Called for top-level fields only; a nested object or list is one value.
 */
export type FieldSink = (
  key: string,
  valueStart: number,
  valueEnd: number,
  kind: FieldKind,
) => void;

/**
 * `text` has nothing to decode, `escaped` has; `cut` is text whose end is missing, and may have to be
 * decoded; `raw` is a number, a literal or a nested value.
 */
export type FieldKind = 'text' | 'escaped' | 'cut' | 'raw';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const SPACE = 0x20;

/**
 * Walks a JSON object as HAProxy's log formats print it: like JSON, but a value may also be a bare `-`
 * or have a `+` in front, and the line may be cut anywhere. Fields up to the first flaw are reported,
 * and the text that is cut there.
 *
 * @param keys remembers keys from one line to the next
 * @returns whether the object was whole
 */
export function scanRecord(
  buffer: Buffer,
  start: number,
  end: number,
  sink: FieldSink,
  keys: KeyMemory,
): boolean {
  let position = skipSpace(buffer, start, end);
  if (buffer[position] !== OPEN || position >= end) return false;
  position = skipSpace(buffer, position + 1, end);
  if (position < end && buffer[position] === CLOSE) return true;
  let index = 0;
  while (position < end) {
    if (buffer[position] !== QUOTE) return false;
    const keyStart = position + 1;
    const keyEnd = textEnd(buffer, keyStart, end);
    if (keyEnd === -1) return false;
    const key = keys.at(index, buffer, keyStart, keyEnd);
    index += 1;
    position = skipSpace(buffer, keyEnd + 1, end);
    if (position >= end || buffer[position] !== COLON) return false;
    position = skipSpace(buffer, position + 1, end);
    if (position >= end) return false;

    let kind: FieldKind;
    let valueStart = position;
    let valueEnd: number;
    if (buffer[position] === QUOTE) {
      valueStart += 1;
      valueEnd = textEnd(buffer, valueStart, end);
      if (valueEnd === -1) {
        sink(key, valueStart, end, 'cut');
        return false;
      }
      kind = hasEscape(buffer, valueStart, valueEnd) ? 'escaped' : 'text';
      position = valueEnd + 1;
    } else {
      valueEnd = rawEnd(buffer, valueStart, end);
      if (valueEnd === -1) return false;
      kind = 'raw';
      position = valueEnd;
    }
    sink(key, valueStart, valueEnd, kind);
    position = skipSpace(buffer, position, end);
    if (position >= end) return false;
    if (buffer[position] === CLOSE) return true;
    if (buffer[position] !== COMMA) return false;
    position = skipSpace(buffer, position + 1, end);
  }
  return false;
}

/** More fields than this are read, but not remembered. */
const REMEMBERED_KEYS = 128;

/**
 * The keys of the line before, by their place in it: lines of one log format have the same, and comparing
 * bytes costs less than making a string of them.
 */
export class KeyMemory {
  private readonly bytes: Buffer[] = [];
  private readonly texts: string[] = [];

  at(index: number, buffer: Buffer, start: number, end: number): string {
    const known = this.bytes[index];
    const text = this.texts[index];
    if (known !== undefined && text !== undefined && same(known, buffer, start, end)) return text;
    const key = buffer.toString('latin1', start, end);
    if (index < REMEMBERED_KEYS) {
      this.bytes[index] = Buffer.from(key, 'latin1');
      this.texts[index] = key;
    }
    return key;
  }
}

function same(known: Buffer, buffer: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i += 1) if (known[i] !== buffer[start + i]) return false;
  return true;
}

/** Where the closing quote of a string is, or -1. */
function textEnd(buffer: Buffer, start: number, end: number): number {
  for (let i = start; i < end; i += 1) {
    const code = buffer[i];
    if (code === QUOTE) return i;
    if (code === BACKSLASH) i += 1;
  }
  return -1;
}

function hasEscape(buffer: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) if (buffer[i] === BACKSLASH) return true;
  return false;
}

/** Where a number, literal, object or list ends, or -1 when the line was cut inside it. */
function rawEnd(buffer: Buffer, start: number, end: number): number {
  let depth = 0;
  let position = start;
  while (position < end) {
    switch (buffer[position]) {
      case QUOTE: {
        const close = textEnd(buffer, position + 1, end);
        if (close === -1) return -1;
        position = close;
        break;
      }
      case OPEN:
      case OPEN_LIST:
        depth += 1;
        break;
      case CLOSE:
      case CLOSE_LIST:
        if (depth === 0) return position;
        depth -= 1;
        break;
      case COMMA:
        if (depth === 0) return position;
        break;
      default:
        break;
    }
    position += 1;
  }
  return -1;
}

function skipSpace(buffer: Buffer, start: number, end: number): number {
  let position = start;
  while (position < end && (buffer[position] ?? 0) <= SPACE) position += 1;
  return position;
}
