import { showsQueries } from './redaction.ts';

const SLASH = 0x2f;
const MARK = 0x3f;
const AMPERSAND = 0x26;

/** How the names of secret parameters begin (redaction.ts). */
const SECRETS = ['AW', 'Si', 'X-', 'si'].map((text) => [text.charCodeAt(0), text.charCodeAt(1)]);

/** Bytes of a request target that need no decoding: of ASCII, with a path and no secret. */
export class TargetBytes {
  buffer: Buffer = Buffer.alloc(0);
  /** `buffer[start, pathEnd)` is the path; `buffer[queryStart, end)` the query, where there is one that is not empty. */
  start = 0;
  pathEnd = 0;
  queryStart = 0;
  end = 0;

  /** @returns whether `buffer[start, end)` is such a target */
  read(buffer: Buffer, start: number, end: number): boolean {
    if (buffer[start] !== SLASH) return false;
    let seen = 0;
    let position = start;
    for (; position < end; position += 1) {
      const code = buffer[position] ?? 0;
      if (code === MARK) break;
      seen |= code;
    }
    this.buffer = buffer;
    this.start = start;
    this.pathEnd = position;
    this.queryStart = position + 1;
    this.end = end;
    if (this.hasQuery && !showsQueries()) return false;
    let isName = true;
    for (position += 1; position < end; position += 1) {
      const code = buffer[position] ?? 0;
      seen |= code;
      if (isName && maySecret(code, buffer[position + 1] ?? 0)) return false;
      isName = code === AMPERSAND;
    }
    return seen < 0x80;
  }

  get hasQuery(): boolean {
    return this.queryStart < this.end;
  }
}

function maySecret(first: number, second: number): boolean {
  for (const [a, b] of SECRETS) if (first === a && second === b) return true;
  return false;
}
