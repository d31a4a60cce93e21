import { FieldKind } from './scanner.ts';
import { MISSING } from './table.ts';

const DASH = 0x2d;
const PLUS = 0x2b;
const ZERO = 0x30;
const MAX_ASCII = 0x7f;

/** A value that HAProxy does not have is a dash, and in `set-var-fmt` no byte at all. */
export function isMissing(buffer: Buffer, start: number, end: number): boolean {
  return end === start || (end - start === MISSING.length && buffer[start] === DASH);
}

/** Whether `buffer[start, end)` is ASCII and equals `text`. */
export function isText(text: string, buffer: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code !== buffer[start + i] || code > MAX_ASCII) return false;
  }
  return true;
}

/** The text that a value stands for, where its `kind` is not `ABSENT`. */
export function decode(buffer: Buffer, start: number, end: number, kind: number): string {
  const text = buffer.toString('utf8', start, end);
  if (kind === FieldKind.PLAIN) return text;
  const unescaped = text.replace(ESCAPE, '$1');
  return kind === FieldKind.CUT ? unescaped.replace(CUT_END, '') : unescaped;
}

const ESCAPE = /\\(["\\\]])/g;
/** An incomplete escape sequence or character at the cut. */
const CUT_END = /[\\\ufffd]$/;

/** A whole number with or without a sign; undefined for anything else. */
export function readNumber(buffer: Buffer, start: number, end: number): number | undefined {
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
