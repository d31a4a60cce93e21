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
const IN_VALUE = codes(/[\x20-\x3c\x3e-\x7e]/);

/** Parses one tracestate after the other, into the positions of its members. */
export class Tracestate {
  /** `bytes[start, end)` is the list without white space and empty members at its ends. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  private count = 0;
  /** Of each member, optional white space around it left out. */
  private readonly starts = new Int32Array(MAX_MEMBERS);
  private readonly equals = new Int32Array(MAX_MEMBERS);
  private readonly ends = new Int32Array(MAX_MEMBERS);

  /**
   * Reads the header value in `bytes[start, end)`: several header fields joined by commas in their order.
   *
   * @returns false when there is no member, a member is malformed, or there are too many of them
   */
  read(bytes: Buffer, start: number, end: number): boolean {
    this.bytes = bytes;
    this.count = 0;
    let position = start;
    while (position < end) {
      position = this.readMember(position, end);
      if (position === -1) return false;
    }
    if (this.count === 0) return false;
    this.start = this.starts[0] ?? 0;
    this.end = this.ends[this.count - 1] ?? 0;
    return true;
  }

  /** Whether it can be passed on as it came. */
  get isPlain(): boolean {
    return this.end - this.start <= MAX_LENGTH && !this.hasDuplicates();
  }

  /** The value of the leftmost member of this key, which is its newest. */
  valueOf(key: Buffer): string | undefined {
    for (let i = 0; i < this.count; i += 1) {
      const start = this.starts[i] ?? 0;
      const equals = this.equals[i] ?? 0;
      if (equals - start !== key.length || !isSame(this.bytes, start, key, 0, key.length)) continue;
      return this.bytes.toString('latin1', equals + 1, this.ends[i]);
    }
    return undefined;
  }

  /** Without duplicates, and what is too long. */
  shortened(): Buffer {
    return join(shorten(this.members()));
  }

  /**
   * The same with the member of `key` changed, which puts it first ("Mutating the tracestate Field"), or without it
   * where `value` is empty.
   */
  changed(key: string, value: string): Buffer {
    const others = this.members().filter((member) => !member.startsWith(`${key}=`));
    if (value === '') return join(shorten(others));
    return join(shorten([`${key}=${value}`, ...others.slice(0, MAX_MEMBERS - 1)]));
  }

  /** Where the next member starts, or -1 when this one is malformed or too much. */
  private readMember(from: number, limit: number): number {
    const { bytes } = this;
    let start = from;
    while (start < limit && isBlank(bytes[start])) start += 1;
    if (start === limit) return limit;
    if (bytes[start] === COMMA) return start + 1;
    if (this.count === MAX_MEMBERS || !has(FIRST_OF_KEY, bytes[start])) return -1;
    let equals = start + 1;
    while (equals < limit && has(IN_KEY, bytes[equals])) equals += 1;
    if (equals - start > MAX_KEY || equals === limit || bytes[equals] !== EQUALS) return -1;
    let stop = equals + 1;
    while (stop < limit && bytes[stop] !== COMMA) stop += 1;
    let end = stop;
    while (end > equals + 1 && isBlank(bytes[end - 1])) end -= 1;
    const length = end - equals - 1;
    if (length === 0 || length > MAX_VALUE) return -1;
    for (let i = equals + 1; i < end; i += 1) if (!has(IN_VALUE, bytes[i])) return -1;
    this.starts[this.count] = start;
    this.equals[this.count] = equals;
    this.ends[this.count] = end;
    this.count += 1;
    return stop + 1;
  }

  private hasDuplicates(): boolean {
    for (let i = 1; i < this.count; i += 1) if (this.isDuplicate(i)) return true;
    return false;
  }

  /** Whether a member to the left of this one has its key: that one is newer. */
  private isDuplicate(index: number): boolean {
    const { bytes, starts, equals } = this;
    const start = starts[index] ?? 0;
    const length = (equals[index] ?? 0) - start;
    for (let i = 0; i < index; i += 1) {
      const other = starts[i] ?? 0;
      if ((equals[i] ?? 0) - other === length && isSame(bytes, other, bytes, start, length)) {
        return true;
      }
    }
    return false;
  }

  private members(): string[] {
    const members: string[] = [];
    for (let i = 0; i < this.count; i += 1) {
      if (this.isDuplicate(i)) continue;
      members.push(this.bytes.toString('latin1', this.starts[i], this.ends[i]));
    }
    return members;
  }
}

/** Drops members over 128 characters first, each from the end, then others from the end. */
function shorten(members: readonly string[]): string[] {
  const remaining = [...members];
  while (remaining.join(',').length > MAX_LENGTH) {
    const long = remaining.findLastIndex((member) => member.length > LONG_MEMBER);
    remaining.splice(long === -1 ? remaining.length - 1 : long, 1);
  }
  return remaining;
}

function join(members: readonly string[]): Buffer {
  return Buffer.from(members.join(','), 'latin1');
}

/** Whether `length` bytes are the same in both. */
function isSame(
  bytes: Buffer,
  start: number,
  others: Buffer,
  from: number,
  length: number,
): boolean {
  for (let i = 0; i < length; i += 1) if (bytes[start + i] !== others[from + i]) return false;
  return true;
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
