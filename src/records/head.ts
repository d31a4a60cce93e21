import { CHILD_HOP_LENGTH, HopMark, HopOffset, ROOT_HOP_LENGTH } from '../context/hop.ts';
import { KINDS, type Kind, RECORD_VERSION, SD_ID } from './table.ts';

/**
 * Where the record is in a line of HAProxy's (RFC 5424, section 6):
 *
 *     <PRI>1 TIME HOST PROGRAM PID - [otel@0 http="2 …"] message                        a logger's
 *     <0>1 TIME - - - - - [debug] otel: type=str <[otel@0 http="2 …"]>                  of the `debug` converter
 *
 * Nothing that a client controls stands before it.
 *
 * @returns where the structured data, or the message of a line that has none, starts; -1 for what is no such line
 */
export function contentStart(buffer: Buffer, start: number, end: number): number {
  const time = timeStart(buffer, start, end);
  if (time === -1) return -1;
  for (let i = time + TIME_LENGTH; i + 4 < end; i += 1) {
    if (buffer[i + 1] !== DASH || buffer[i] !== SPACE || buffer[i + 2] !== SPACE) continue;
    if (buffer[i + 3] === OPEN) return i + 3;
    if (buffer[i + 3] !== DASH || buffer[i + 4] !== SPACE) continue;
    const message = i + 5;
    return stands(DEBUG, buffer, message, end) ? message + DEBUG.length : message;
  }
  return -1;
}

/** Where the time of a line starts, `2026-11-23T12:00:00.123456+01:00`; -1 for what is no line of HAProxy's. */
export function timeStart(buffer: Buffer, start: number, end: number): number {
  if (buffer[start] !== LESS) return -1;
  let position = start + 1;
  while (position < start + MAX_PRIORITY_LENGTH && buffer[position] !== GREATER) position += 1;
  const time = position + 3;
  const isLine =
    time + TIME_LENGTH < end && buffer[position + 1] === ONE && buffer[position + 2] === SPACE;
  return isLine ? time : -1;
}

export const TIME_LENGTH = 'yyyy-mm-ddThh:mm:ss.ssssss+hh:mm'.length;
const MAX_PRIORITY_LENGTH = '<191>'.length;

/** What wrote a line: a logger, or the `debug` converter, which writes a `>` behind the record. */
type LineWay = 'logger' | 'debug';

type Known = {
  /** What stands between the time of a line and the first place of its record, in words: the last one ends where it ends. */
  readonly length: number;
  readonly words: Float64Array;
  readonly kind: Kind;
  readonly way: LineWay;
};

/** Words are compared as numbers, which is exact: words of ASCII are neither -0 nor NaN. */
const WORD = Float64Array.BYTES_PER_ELEMENT;

/** The size of the cache, in beginnings of lines. */
const MAX_KNOWN = 16;

/** Finds the record in lines. Those of one process have the same bytes between their time and their record. */
export class RecordHead {
  /** Of the last record that was found. */
  kind: Kind = 'http';
  way: LineWay = 'logger';
  private readonly known: Known[] = [];
  /** Of the line before, if it had a record; and where its time ended, from its start on. */
  private last: Known | undefined;
  private lastHead = 0;
  private buffer: Buffer = Buffer.alloc(0);
  private view: DataView = new DataView(new ArrayBuffer(0));

  /** @returns where the places of the record start; -1 where there is no record of this version */
  find(buffer: Buffer, start: number, end: number): number {
    if (buffer !== this.buffer) {
      this.buffer = buffer;
      this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    }
    // Most lines begin like the last one, with the time at the same position.
    const { last } = this;
    const behindTime = start + this.lastHead;
    const version = behindTime - TIME_LENGTH - 2;
    if (
      last !== undefined &&
      buffer[start] === LESS &&
      buffer[version - 1] === GREATER &&
      buffer[version] === ONE &&
      buffer[version + 1] === SPACE &&
      this.stands(last, behindTime, end)
    ) {
      this.kind = last.kind;
      this.way = last.way;
      return behindTime + last.length;
    }
    return this.findAny(buffer, start, end);
  }

  private findAny(buffer: Buffer, start: number, end: number): number {
    const time = timeStart(buffer, start, end);
    if (time === -1) return -1;
    const head = time + TIME_LENGTH;
    this.lastHead = head - start;
    for (let i = 0; i < this.known.length; i += 1) {
      const known = this.known[i];
      if (known === undefined || !this.stands(known, head, end)) continue;
      this.last = known;
      this.kind = known.kind;
      this.way = known.way;
      return head + known.length;
    }
    return this.learn(buffer, start, head, end);
  }

  /**
   * Where the hop starts in the line of one that was not sampled, by its first bytes. Anything else has to be parsed, a hop
   * that was reported before included.
   *
   * @returns -1 for anything else
   */
  unsampledHop(buffer: Buffer, start: number, end: number): number {
    const places = this.find(buffer, start, end);
    const hop = places + HEAD_PLACES_LENGTH;
    const flags = hop + HopOffset.FLAGS;
    if (places === -1 || flags + 2 >= end || this.kind !== 'http') return -1;
    if (buffer[flags - 1] !== DASH || buffer[flags + 2] !== DASH) return -1;
    if (buffer[places + 2] === ONE || buffer[hop - 1] !== SPACE) return -1;
    return EVEN_DIGIT[buffer[flags + 1] ?? 0] === 1 ? hop : -1;
  }

  private stands(known: Known, position: number, end: number): boolean {
    const { view } = this;
    const { length, words } = known;
    if (position + length > end) return false;
    const lastWord = words.length - 1;
    for (let i = 0; i < lastWord; i += 1) {
      if (words[i] !== view.getFloat64(position + i * WORD, true)) return false;
    }
    // The last word overlaps the one before.
    return words[lastWord] === view.getFloat64(position + length - WORD, true);
  }

  private learn(buffer: Buffer, start: number, head: number, end: number): number {
    const content = contentStart(buffer, start, end);
    if (content === -1) return -1;
    for (const { kind, literal } of KIND_STARTS) {
      if (!stands(literal, buffer, content, end)) continue;
      const places = content + literal.length;
      const bytes = Buffer.from(buffer.subarray(head, places));
      const { length } = bytes;
      const words = Float64Array.from({ length: Math.ceil(length / WORD) }, (_, i) =>
        bytes.readDoubleLE(Math.min(i * WORD, length - WORD)),
      );
      if (this.known.length === MAX_KNOWN) this.known.shift();
      const way = buffer[content - 1] === LESS ? 'debug' : 'logger';
      this.known.push({ length, words, kind, way });
      this.kind = kind;
      this.way = way;
      return places;
    }
    return -1;
  }
}

/** Whether an agent minted the hop at `hop`, and not HAProxy itself: no mark follows. */
export function isMintedByAgent(buffer: Buffer, hop: number): boolean {
  return !isMarked(buffer, hop + ROOT_HOP_LENGTH) && !isMarked(buffer, hop + CHILD_HOP_LENGTH);
}

/**
 * Whether the request whose hop is at `hop` may have failed, by the two places that follow: a `status` from 500 on, or a
 * `termination_state` that is not normal. Also true where the line ends before these.
 */
export function mayHaveFailed(buffer: Buffer, hop: number, end: number): boolean {
  let status = hop + ROOT_HOP_LENGTH;
  while (status < end && buffer[status] !== SPACE) status += 1;
  let state = status + 1;
  while (state < end && buffer[state] !== SPACE) state += 1;
  if (state + 1 >= end || buffer[state + 1] !== DASH) return true;
  const digits = state - status - 1;
  return digits > 3 || (digits === 3 && (buffer[status + 1] ?? 0) >= FIVE);
}

function isMarked(buffer: Buffer, at: number): boolean {
  return buffer[at] === DASH && HAPROXY_MARKS.includes(buffer[at + 1] ?? 0);
}

export function stands(
  text: Uint8Array,
  buffer: Uint8Array,
  position: number,
  end: number,
): boolean {
  if (position + text.length > end) return false;
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] !== buffer[position + i]) return false;
  }
  return true;
}

/** What a record starts with, by its kind. */
const KIND_STARTS = KINDS.map((kind) => ({
  kind,
  literal: Buffer.from(`[${SD_ID} ${kind}="${RECORD_VERSION} `),
}));

/** What the `debug` converter writes before the value that was called `otel`. */
const DEBUG = Buffer.from('- - - [debug] otel: type=str <');

/** `stopping` and `reported`, a digit each. */
const HEAD_PLACES_LENGTH = '0 0 '.length;

/** At the end of a hop that HAProxy minted, behind a dash. */
const HAPROXY_MARKS = Buffer.from(
  [HopMark.HAPROXY, HopMark.RULES].map((mark) => mark.charCodeAt(1)),
);

/** Hexadecimal digits of trace flags with the sampled bit clear. */
const EVEN_DIGIT = Uint8Array.from({ length: 256 }, (_, code) =>
  '02468ace'.includes(String.fromCharCode(code)) ? 1 : 0,
);

const SPACE = 0x20;
const DASH = 0x2d;
const ONE = 0x31;
const FIVE = 0x35;
const LESS = 0x3c;
const GREATER = 0x3e;
const OPEN = 0x5b;
