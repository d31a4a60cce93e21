import { CHILD_HOP_LENGTH, HopOffset, ROOT_HOP_LENGTH } from '../context/hop.ts';
import { Field, type FieldValues, MISSING, recordOf } from './fields.ts';
import { type AttributeValue, Double, type HopRecord } from './record.ts';
import { FieldKind, RecordScanner } from './scanner.ts';

/** Reads lines of the shipped log format (haproxy/haproxy.cfg). Keeps what lines have in common. */
export class AccessLog implements FieldValues {
  private readonly scanner = new RecordScanner(Object.keys(Field));
  private buffer: Buffer = Buffer.alloc(0);
  /** The text that each field had last: names and addresses come again and again. */
  private readonly texts: string[] = Object.keys(Field).map(() => '');
  private readonly ownFields = new AttributeReader();

  /** @returns undefined for a line that is not a record: it names no frontend, or no time it ended */
  parse(buffer: Buffer, start: number, end: number): HopRecord | undefined {
    this.scan(buffer, start, end);
    return recordOf(this);
  }

  /** Finds the values of a line, for `text` and `number`. */
  scan(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.scanner.scan(buffer, start, end);
  }

  /** Whether this process of HAProxy was stopping, so that its ring delivers nothing any more. */
  isStopping(buffer: Buffer, start: number, end: number): boolean {
    this.scan(buffer, start, end);
    return this.number(Field.stopping) === 1;
  }

  text(field: Field): string | undefined {
    const { scanner, buffer } = this;
    const kind = scanner.kinds[field];
    if (kind === FieldKind.ABSENT) return undefined;
    const start = scanner.starts[field] ?? 0;
    const end = scanner.ends[field] ?? 0;
    if (isDash(buffer, start, end)) return undefined;
    const last = this.texts[field] ?? '';
    if (kind === FieldKind.TEXT && isText(last, buffer, start, end)) return last;
    const text = decode(buffer, start, end, kind ?? FieldKind.ABSENT);
    if (text !== undefined) this.texts[field] = text;
    return text;
  }

  number(field: Field): number | undefined {
    const { scanner, buffer } = this;
    if (scanner.kinds[field] === FieldKind.ABSENT) return undefined;
    return readNumber(buffer, scanner.starts[field] ?? 0, scanner.ends[field] ?? 0);
  }

  get attributes(): Readonly<Record<string, AttributeValue>> {
    const { scanner, buffer } = this;
    const field = Field.attributes;
    if (scanner.kinds[field] !== FieldKind.RAW) return {};
    return this.ownFields.read(buffer, scanner.starts[field] ?? 0, scanner.ends[field] ?? 0);
  }
}

/**
 * Whether the line is of a hop that was not sampled, by a look at its first bytes. Only a line that
 * starts with the hop can say so; any other is worth parsing.
 */
export function isUnsampled(buffer: Buffer, start: number, end: number): boolean {
  const flags = start + HOP_FIELD.length + HopOffset.FLAGS;
  if (flags + 2 >= end || buffer[flags - 1] !== DASH || buffer[flags + 2] !== DASH) return false;
  for (let i = 0; i < HOP_FIELD.length; i += 1) {
    if (buffer[start + i] !== HOP_FIELD[i]) return false;
  }
  return EVEN_DIGIT[buffer[flags + 1] ?? 0] === 1;
}

/** Whether an agent minted the hop of a line that `isUnsampled` knew, and not HAProxy itself: no mark follows. */
export function isMintedByAgent(buffer: Buffer, start: number): boolean {
  const hop = start + HOP_FIELD.length;
  const isMarked = (at: number): boolean =>
    buffer[at] === HAPROXY_MARK[0] && buffer[at + 1] === HAPROXY_MARK[1];
  return !isMarked(hop + ROOT_HOP_LENGTH) && !isMarked(hop + CHILD_HOP_LENGTH);
}

/**
 * How many records HAProxy says here that it dropped because its ring was full; 0 in any other line. There
 * may have been more: what was dropped between two such lines is counted, not what they displaced.
 */
export function droppedByRing(buffer: Buffer, start: number, end: number): number {
  if (end - start > MAX_DROPPED_LENGTH) return 0;
  return Number(DROPPED.exec(buffer.toString('latin1', start, end))?.[1] ?? 0);
}

/** As HAProxy's sinks announce it; 3.0 and later send the zero byte along. */
const DROPPED = /^(\d+) events? dropped\0?$/;
const MAX_DROPPED_LENGTH = 40;

/** At the end of a hop that HAProxy minted: `-h`. */
const HAPROXY_MARK = Buffer.from('-h');

const HOP_FIELD = Buffer.from('{"hop":"');
/** Hexadecimal digits of trace flags with the sampled bit clear. */
const EVEN_DIGIT = Uint8Array.from({ length: 256 }, (_, code) =>
  '02468ace'.includes(String.fromCharCode(code)) ? 1 : 0,
);

const DASH = 0x2d;
const PLUS = 0x2b;
const ZERO = 0x30;
const MAX_ASCII = 0x7f;

/** The longest escape, `\u0000`: as much may have to go from the end of a text that was cut. */
const ESCAPE_LENGTH = 6;

function isDash(buffer: Buffer, start: number, end: number): boolean {
  return end - start === MISSING.length && buffer[start] === DASH;
}

/** Whether `buffer[start, end)` is ASCII and says `text`. */
function isText(text: string, buffer: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code !== buffer[start + i] || code > MAX_ASCII) return false;
  }
  return true;
}

/** The text that a value stands for; undefined where its escapes are broken. */
function decode(buffer: Buffer, start: number, end: number, kind: number): string | undefined {
  switch (kind) {
    case FieldKind.RAW: {
      const raw = buffer.toString('latin1', start, end);
      // HAProxy's own JSON encoding, from 3.0 on, has this in place of a dash.
      return raw === 'null' ? undefined : raw;
    }
    case FieldKind.TEXT:
      return buffer.toString('utf8', start, end);
    case FieldKind.ESCAPED:
      return unescaped(buffer.toString('utf8', start, end));
    case FieldKind.CUT:
      return decodeCut(buffer.toString('utf8', start, end).replace(/\ufffd$/, ''));
    default:
      return undefined;
  }
}

/** HAProxy escapes each slash, and seldom anything else. */
function unescaped(raw: string): string | undefined {
  const text = raw.replaceAll('\\/', '/');
  return text.includes('\\') ? (parseJson(`"${raw}"`) as string | undefined) : text;
}

/** Text without the rest of an escape at its end. */
function decodeCut(raw: string): string | undefined {
  for (let dropped = 0; dropped < ESCAPE_LENGTH; dropped += 1) {
    const value = parseJson(`"${raw.slice(0, raw.length - dropped)}"`);
    if (typeof value === 'string') return value;
  }
  return undefined;
}

/** A whole number with or without a sign; undefined for anything else. */
function readNumber(buffer: Buffer, start: number, end: number): number | undefined {
  const sign = buffer[start];
  const first = sign === DASH || sign === PLUS ? start + 1 : start;
  if (first >= end) return undefined;
  let value = 0;
  for (let i = first; i < end; i += 1) {
    const digit = (buffer[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return sign === DASH ? -value : value;
}

/** Sets of attributes that are remembered at a time. */
const MAX_REMEMBERED = 512;

/** Reads the user's own fields: what is not a value that a span attribute can have is left out. */
class AttributeReader {
  private readonly scanner = new RecordScanner();
  /** Many requests have the same. */
  private readonly remembered = new Map<string, Readonly<Record<string, AttributeValue>>>();

  read(buffer: Buffer, start: number, end: number): Readonly<Record<string, AttributeValue>> {
    const raw = buffer.toString('latin1', start, end);
    const known = this.remembered.get(raw);
    if (known !== undefined) return known;
    const attributes = this.parse(buffer, start, end);
    if (this.remembered.size === MAX_REMEMBERED) this.remembered.clear();
    this.remembered.set(raw, attributes);
    return attributes;
  }

  private parse(buffer: Buffer, start: number, end: number): Record<string, AttributeValue> {
    const { scanner } = this;
    scanner.scan(buffer, start, end);
    const attributes: Record<string, AttributeValue> = {};
    scanner.names.forEach((name, field) => {
      const kind = scanner.kinds[field];
      if (kind === FieldKind.ABSENT || name === '') return;
      const raw = buffer.toString('utf8', scanner.starts[field], scanner.ends[field]);
      const value = parseJson(kind === FieldKind.RAW ? raw : `"${raw}"`);
      if (isMissing(value) || !isAttributeValue(value)) return;
      attributes[name] = typeof value === 'number' && isDouble(raw) ? new Double(value) : value;
    });
    return attributes;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** How a number is written decides what it is, so that an attribute does not change its type with its value. */
function isDouble(raw: string): boolean {
  return /[.eE]/.test(raw);
}

/** A header that a request did not have is `"-"`, or `["-"]` where it is written as a list. */
function isMissing(value: unknown): boolean {
  return value === MISSING || (Array.isArray(value) && value.every((item) => item === MISSING));
}

function isAttributeValue(value: unknown): value is AttributeValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    default:
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
  }
}
