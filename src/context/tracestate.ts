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

/**
 * @param bytes the header value; several header fields joined by commas in their order
 * @returns the value to send upstream: a part of `bytes` where nothing had to change, empty when there
 *   is nothing to send or a member is malformed
 */
export function propagateTracestate(bytes: Buffer): Buffer {
  const members = parse(bytes);
  if (members === undefined || members.length === 0) return bytes.subarray(0, 0);
  const first = members[0];
  const last = members.at(-1);
  if (first === undefined || last === undefined) return bytes.subarray(0, 0);
  if (last.end - first.start <= MAX_LENGTH && !hasDuplicates(members)) {
    return bytes.subarray(first.start, last.end);
  }
  return shorten(bytes, withoutDuplicates(members));
}

/** Undefined when any member is malformed or there are too many of them. */
function parse(bytes: Buffer): Member[] | undefined {
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
  return members;
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
function shorten(bytes: Buffer, members: Member[]): Buffer {
  const lengthOf = (list: readonly Member[]): number =>
    list.reduce((sum, member) => sum + member.end - member.start + 1, -1);
  const kept = [...members];
  while (lengthOf(kept) > MAX_LENGTH) {
    const long = kept.findLastIndex((member) => member.end - member.start > LONG_MEMBER);
    kept.splice(long === -1 ? kept.length - 1 : long, 1);
  }
  return Buffer.from(
    kept.map((member) => bytes.toString('latin1', member.start, member.end)).join(','),
    'latin1',
  );
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
