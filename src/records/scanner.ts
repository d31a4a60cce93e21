/**
 * How the value of a field is written: `TEXT` as it is, `ESCAPED` with escapes; `CUT` is text whose end is
 * missing; `RAW` is a number, a literal or a nested value.
 */
export const FieldKind = { ABSENT: 0, RAW: 1, TEXT: 2, ESCAPED: 3, CUT: 4 } as const;

/** More names, or more fields in a line, are passed over. */
const MAX_FIELDS = 192;

/** Log formats that are remembered at a time. */
const MAX_FORMATS = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const SPACE = 0x20;

/** What stands between two values of a line, and whose value comes next. */
type Place = {
  readonly literal: Buffer;
  readonly length: number;
  /** The literal again, as far as it is made of whole words. */
  readonly words: Int32Array;
  readonly wordCount: number;
  readonly field: number;
  readonly quoted: boolean;
};

const WORD = Int32Array.BYTES_PER_ELEMENT;

/**
 * Finds the fields of a JSON object as HAProxy's log formats print it: like JSON, but a value may also be a bare
 * `-` or have a `+` in front, and the line may be cut anywhere. Fields up to the first flaw are found, and the
 * text that is cut there. Top-level fields only: a nested object or list is one value.
 *
 * Lines of one log format have the same bytes between their values. These are remembered, and where they come
 * again only the values are looked at.
 *
 * A field is a number: its place in `names`, to which new names are added as they come.
 */
export class RecordScanner {
  /** `buffer[starts[field], ends[field])` is the value of a field, quotes left out, if its kind is not `ABSENT`. */
  readonly starts = new Int32Array(MAX_FIELDS);
  readonly ends = new Int32Array(MAX_FIELDS);
  readonly kinds = new Uint8Array(MAX_FIELDS);
  readonly names: string[];
  private buffer: Buffer = Buffer.alloc(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  /** Places by log format, which the first of them tells apart. */
  private readonly formats: Place[][] = [];

  constructor(names: readonly string[] = []) {
    this.names = [...names];
  }

  /** The first of equal names wins. */
  scan(buffer: Buffer, start: number, end: number): void {
    this.look(buffer);
    this.kinds.fill(FieldKind.ABSENT);
    const places = this.formatOf(start, end);
    if (places === undefined) return;
    let position = start;
    for (let index = 0; index < MAX_FIELDS; index += 1) {
      let place = places[index];
      if (place === undefined || !this.stands(place, position, end)) {
        place = this.learn(position, end, COMMA);
        if (place === undefined) return;
        places[index] = place;
      }
      const valueStart = position + place.length;
      if (!place.quoted) {
        position = rawEnd(buffer, valueStart, end);
        if (position === -1) return;
        this.found(place.field, valueStart, position, FieldKind.RAW);
        continue;
      }
      position = plainEnd(buffer, valueStart, end);
      let kind: number = FieldKind.TEXT;
      if (buffer[position] === BACKSLASH && position < end) {
        position = textEnd(buffer, position, end);
        kind = FieldKind.ESCAPED;
      }
      if (position === -1 || position >= end) {
        this.found(place.field, valueStart, end, FieldKind.CUT);
        return;
      }
      this.found(place.field, valueStart, position, kind);
    }
  }

  private look(buffer: Buffer): void {
    if (buffer === this.buffer) return;
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  /** Whether what is remembered of a place is in the line at `start`, and a value behind it. */
  private stands(place: Place, start: number, end: number): boolean {
    const { buffer, view } = this;
    const { literal, length, words, wordCount } = place;
    const valueStart = start + length;
    if (valueStart >= end) return false;
    for (let i = 0; i < wordCount; i += 1) {
      if (words[i] !== view.getInt32(start + i * WORD, true)) return false;
    }
    for (let i = wordCount * WORD; i < length; i += 1) {
      if (literal[i] !== buffer[start + i]) return false;
    }
    if (place.quoted) return true;
    // What looks the same may be the beginning of something longer.
    const next = buffer[valueStart] ?? 0;
    return next > SPACE && next !== QUOTE;
  }

  private found(field: number, start: number, end: number, kind: number): void {
    if (this.kinds[field] !== FieldKind.ABSENT) return;
    this.starts[field] = start;
    this.ends[field] = end;
    this.kinds[field] = kind;
  }

  /** Undefined for a line that is no object, or an empty one. */
  private formatOf(start: number, end: number): Place[] | undefined {
    for (const places of this.formats) {
      const [first] = places;
      if (first !== undefined && this.stands(first, start, end)) return places;
    }
    const first = this.learn(start, end, OPEN);
    if (first === undefined) return undefined;
    if (this.formats.length === MAX_FORMATS) this.formats.shift();
    const places = [first];
    this.formats.push(places);
    return places;
  }

  /**
   * Reads on to the next value: from the start of the line, or from behind a value, whose closing quote comes
   * first if it has one. Undefined where there is none.
   */
  private learn(start: number, end: number, before: number): Place | undefined {
    const { buffer } = this;
    const is = (position: number, code: number): boolean =>
      position < end && buffer[position] === code;
    let position = before === COMMA && is(start, QUOTE) ? start + 1 : start;
    position = skipSpace(buffer, position, end);
    if (!is(position, before)) return undefined;
    position = skipSpace(buffer, position + 1, end);
    if (!is(position, QUOTE)) return undefined;
    const keyStart = position + 1;
    const keyEnd = textEnd(buffer, keyStart, end);
    if (keyEnd === -1) return undefined;
    position = skipSpace(buffer, keyEnd + 1, end);
    if (!is(position, COLON)) return undefined;
    position = skipSpace(buffer, position + 1, end);
    if (position >= end) return undefined;
    const quoted = is(position, QUOTE);
    if (quoted) position += 1;
    const field = this.fieldNamed(buffer.toString('utf8', keyStart, keyEnd));
    const literal = Buffer.from(buffer.subarray(start, position));
    const { length } = literal;
    const wordCount = Math.floor(length / WORD);
    const words = Int32Array.from({ length: wordCount }, (_, i) => literal.readInt32LE(i * WORD));
    return { literal, length, words, wordCount, field, quoted };
  }

  /** A name for which there is no room has no place among the fields. */
  private fieldNamed(name: string): number {
    const known = this.names.indexOf(name);
    if (known !== -1) return known;
    return this.names.length < MAX_FIELDS ? this.names.push(name) - 1 : MAX_FIELDS;
  }
}

/** The closing quote of a text, or the first escape in it; `end` where it has neither. */
function plainEnd(buffer: Buffer, start: number, end: number): number {
  let position = start;
  for (; position < end; position += 1) {
    const code = buffer[position];
    if (code === QUOTE || code === BACKSLASH) break;
  }
  return position;
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

/** Where a number, literal, object or list ends, or -1 when the line was cut inside it. */
function rawEnd(buffer: Buffer, start: number, end: number): number {
  let depth = 0;
  for (let position = start; position < end; position += 1) {
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
  }
  return -1;
}

/** Where the next byte is that is not white space; at `end` where there is none. */
function skipSpace(buffer: Buffer, start: number, end: number): number {
  let position = start;
  while (position < end && (buffer[position] ?? 0) <= SPACE) position += 1;
  return position;
}
