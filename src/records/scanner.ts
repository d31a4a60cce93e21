import { RecordHead, stands } from './head.ts';
import { Field, type Kind, TABLE } from './table.ts';

/** How the value of a field is written: `ESCAPED` with backslashes; `CUT` is text whose end is missing. */
export const FieldKind = { ABSENT: 0, PLAIN: 1, ESCAPED: 2, CUT: 3 } as const;

const SPACE = 0x20;
const QUOTE = 0x22;
const EQUALS = 0x3d;
const GREATER = 0x3e;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;

const PLACES = TABLE.flatMap(({ name, in: where }) => (where === 'place' ? [Field[name]] : []));

/** Parameters in the order in which HAProxy's lines have them. */
const PARAMETERS = TABLE.filter(({ in: where }) => where !== 'place').map(({ name }) => ({
  field: Field[name],
  start: Buffer.from(`${name}="`),
}));

/** A user's own parameters beyond are passed over. */
const MAX_OWN = 64;

/**
 * Finds the values of a record (table.ts) in a line, which may be cut anywhere: of places those that are whole, of
 * parameters the text as far as it goes. A client's bytes are inside quotes, with a backslash before what could end them.
 */
export class RecordScanner {
  /** Undefined where the last line was no record of this version. */
  kind: Kind | undefined;
  private readonly head = new RecordHead();
  /** For each parameter, and for the beginning, which one followed last: lines of one proxy have the same order. */
  private readonly following = Uint8Array.from({ length: PARAMETERS.length + 1 }, (_, i) => i);
  /** `buffer[starts[field], ends[field])` is the value of a field, quotes left out, if its kind is not `ABSENT`. */
  readonly starts = new Int32Array(TABLE.length);
  readonly ends = new Int32Array(TABLE.length);
  readonly kinds = new Uint8Array(TABLE.length);
  /** The user's own parameters: where each one's name starts and ends, its value starts and ends, and its kind. */
  readonly own = new Int32Array(MAX_OWN * 5);
  ownCount = 0;
  /** The message behind the structured data, where there is one. */
  readonly message: { buffer: Buffer; start: number; end: number } = {
    buffer: Buffer.alloc(0),
    start: 0,
    end: 0,
  };

  scan(buffer: Buffer, start: number, end: number): void {
    this.kinds.fill(FieldKind.ABSENT);
    this.ownCount = 0;
    this.message.buffer = buffer;
    this.message.start = end;
    this.message.end = end;
    this.kind = undefined;
    const places = this.head.find(buffer, start, end);
    if (places === -1) return;
    this.kind = this.head.kind;
    const isMarked = this.head.way === 'debug' && buffer[end - 1] === GREATER;
    const recordEnd = isMarked ? end - 1 : end;
    this.parameters(buffer, this.places(buffer, places, recordEnd), recordEnd);
  }

  /** @returns where the first place ends that is behind all, or the quote is that ends them */
  private places(buffer: Buffer, start: number, end: number): number {
    let position = start;
    for (let index = 0; position < end; index += 1) {
      const valueStart = position;
      let kind: number = FieldKind.PLAIN;
      let code = buffer[position];
      while (code !== SPACE && code !== QUOTE) {
        if (code === BACKSLASH) {
          kind = FieldKind.ESCAPED;
          position += 1;
        }
        position += 1;
        if (position >= end) return end;
        code = buffer[position];
      }
      const field = PLACES[index];
      if (field !== undefined) this.found(field, valueStart, position, kind);
      position += 1;
      if (code === QUOTE) return position;
    }
    return end;
  }

  private parameters(buffer: Buffer, start: number, end: number): void {
    let position = start;
    /** One more than the index of the last parameter. */
    let last = 0;
    while (position < end) {
      const code = buffer[position];
      if (code === SPACE) {
        position += 1;
        continue;
      }
      if (code === CLOSE) {
        this.message.start = Math.min(position + 2, this.message.end);
        return;
      }
      let index = this.following[last] ?? 0;
      const nameStart = position;
      let field: Field | undefined;
      let nameEnd = 0;
      if (!isParameter(index, buffer, position, end)) {
        index = PARAMETERS.findIndex((_, i) => isParameter(i, buffer, position, end));
        if (index !== -1) this.following[last] = index;
      }
      const known = PARAMETERS[index];
      if (known !== undefined) {
        field = known.field;
        position += known.start.length;
        last = index + 1;
      } else {
        nameEnd = wordEnd(buffer, position, end);
        position = nameEnd + 2;
        if (buffer[nameEnd] !== EQUALS || buffer[nameEnd + 1] !== QUOTE || position > end) {
          // Parameters that HAProxy does not have: a dash stands for them.
          const isBetween = buffer[nameEnd] === SPACE || buffer[nameEnd] === CLOSE;
          position = isBetween ? nameEnd : nameEnd + 1;
          continue;
        }
      }
      const valueStart = position;
      let kind: number = FieldKind.PLAIN;
      while (position < end && buffer[position] !== QUOTE) {
        if (buffer[position] === BACKSLASH) {
          kind = FieldKind.ESCAPED;
          position += 1;
        }
        position += 1;
      }
      if (position >= end) {
        kind = FieldKind.CUT;
        position = end;
      }
      if (field === undefined) this.foundOwn(nameStart, nameEnd, valueStart, position, kind);
      else this.found(field, valueStart, position, kind);
      position += 1;
    }
  }

  /** The first of equal names counts, unless the field may be noted again. */
  private found(field: Field, start: number, end: number, kind: number): void {
    if (this.kinds[field] !== FieldKind.ABSENT && TABLE[field]?.isLast !== true) return;
    this.starts[field] = start;
    this.ends[field] = end;
    this.kinds[field] = kind;
  }

  private foundOwn(
    nameStart: number,
    nameEnd: number,
    start: number,
    end: number,
    kind: number,
  ): void {
    if (this.ownCount === MAX_OWN) return;
    const at = this.ownCount * 5;
    this.own[at] = nameStart;
    this.own[at + 1] = nameEnd;
    this.own[at + 2] = start;
    this.own[at + 3] = end;
    this.own[at + 4] = kind;
    this.ownCount += 1;
  }
}

function isParameter(index: number, buffer: Buffer, position: number, end: number): boolean {
  const parameter = PARAMETERS[index];
  return parameter !== undefined && stands(parameter.start, buffer, position, end);
}

/** Where the name of a parameter ends, or a word that is none. */
function wordEnd(buffer: Buffer, start: number, end: number): number {
  let position = start;
  for (; position < end; position += 1) {
    const code = buffer[position];
    if (code === EQUALS || code === SPACE || code === CLOSE || code === QUOTE) break;
  }
  return position;
}
