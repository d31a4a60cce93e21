/**
 * The `tracestate` header of W3C Trace Context Level 2. What is valid and within the limits is passed
 * on byte for byte; otherwise members are dropped as the section "tracestate Limits" says, or the
 * whole header where its grammar is broken.
 */

const MAX_MEMBERS = 32;
const MAX_LENGTH = 512;
const LONG_MEMBER = 128;
const MAX_KEY = 256;
const MAX_VALUE = 256;

const COMMA = 0x2c;
const EQUALS = 0x3d;
const SPACE = 0x20;
const TAB = 0x09;

const FIRST_OF_KEY = codes(/[a-z0-9]/);
const IN_KEY = codes(/[a-z0-9_*/@-]/);
const IN_VALUE = codes(/[\x20-\x7e]/);

/** `bytes[start, end)` of one list member, optional white space around it left out. */
type Member = { readonly start: number; readonly end: number; readonly key: string };

/** A well-formed tracestate of at least one member. */
export type Tracestate = { readonly bytes: Buffer; readonly members: readonly Member[] };

/**
 * @param bytes the header value; several header fields joined by commas in their order
 * @returns undefined when there is no member, a member is malformed, or there are too many of them
 */
export function parseTracestate(bytes: Buffer): Tracestate | undefined {
  const members: Member[] = [];
  let position = 0;
  while (position <= bytes.length) {
    const comma = bytes.indexOf(COMMA, position);
    const stop = comma === -1 ? bytes.length : comma;
    let start = position;
    let end = stop;
    while (start < end && isBlank(bytes[start])) start += 1;
    while (start < end && isBlank(bytes[end - 1])) end -= 1;
    if (start < end) {
      const equals = memberEquals(bytes, start, end);
      if (equals === -1 || members.length === MAX_MEMBERS) return undefined;
      members.push({ start, end, key: bytes.toString('latin1', start, equals) });
    }
    position = stop + 1;
  }
  return members.length === 0 ? undefined : { bytes, members };
}

/** The value of the leftmost member of this key, which is its newest. */
export function memberValue({ bytes, members }: Tracestate, key: string): string | undefined {
  const member = members.find((each) => each.key === key);
  if (member === undefined) return undefined;
  return bytes.toString('latin1', member.start + key.length + 1, member.end);
}

/** The value to send upstream: a part of the bytes that came where nothing had to change. */
export function formatTracestate({ bytes, members }: Tracestate): Buffer {
  const start = members[0]?.start ?? 0;
  const end = members.at(-1)?.end ?? 0;
  if (end - start <= MAX_LENGTH && !hasDuplicates(members)) return bytes.subarray(start, end);
  return join(shorten(textOf(bytes, withoutDuplicates(members))));
}

/**
 * The value to send upstream with the member of `key` changed, which puts it first ("Mutating the tracestate
 * Field"), or without it where `value` is empty.
 */
export function formatTracestateWith(
  { bytes, members }: Tracestate,
  key: string,
  value: string,
): Buffer {
  const others = textOf(
    bytes,
    withoutDuplicates(members).filter((member) => member.key !== key),
  );
  if (value === '') return join(shorten(others));
  return join(shorten([`${key}=${value}`, ...others.slice(0, MAX_MEMBERS - 1)]));
}

/** The position of the equals sign of a well-formed member, or -1. */
function memberEquals(bytes: Buffer, start: number, end: number): number {
  const equals = bytes.indexOf(EQUALS, start);
  if (equals <= start || equals >= end) return -1;
  if (equals - start > MAX_KEY || end - equals - 1 > MAX_VALUE || end === equals + 1) return -1;
  if (!has(FIRST_OF_KEY, bytes[start])) return -1;
  for (let i = start + 1; i < equals; i += 1) if (!has(IN_KEY, bytes[i])) return -1;
  for (let i = equals + 1; i < end; i += 1) {
    if (!has(IN_VALUE, bytes[i]) || bytes[i] === EQUALS) return -1;
  }
  return equals;
}

function hasDuplicates(members: readonly Member[]): boolean {
  return members.length > 1 && new Set(members.map((member) => member.key)).size < members.length;
}

/** The leftmost member of a key is its newest. */
function withoutDuplicates(members: readonly Member[]): Member[] {
  const seen = new Set<string>();
  return members.filter((member) => {
    if (seen.has(member.key)) return false;
    seen.add(member.key);
    return true;
  });
}

/** Drops members over 128 characters first, each from the end, then others from the end. */
function shorten(members: readonly string[]): string[] {
  const kept = [...members];
  while (kept.join(',').length > MAX_LENGTH) {
    const long = kept.findLastIndex((member) => member.length > LONG_MEMBER);
    kept.splice(long === -1 ? kept.length - 1 : long, 1);
  }
  return kept;
}

function textOf(bytes: Buffer, members: readonly Member[]): string[] {
  return members.map(({ start, end }) => bytes.toString('latin1', start, end));
}

function join(members: readonly string[]): Buffer {
  return Buffer.from(members.join(','), 'latin1');
}

function isBlank(code: number | undefined): boolean {
  return code === SPACE || code === TAB;
}

function codes(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) =>
    pattern.test(String.fromCharCode(code)) ? 1 : 0,
  );
}

function has(set: Uint8Array, code: number | undefined): boolean {
  return code !== undefined && set[code] === 1;
}
