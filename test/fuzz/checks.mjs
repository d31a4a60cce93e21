/** @throws Error where it does not hold: a finding */
export function check(holds, what) {
  if (!holds) throw new Error(what);
}

/** As much of a stack as a finding has; errors that are meant for an input have none, which is most of their cost. */
const STACK_FRAMES = 20;

/**
 * The fuzz function of a target.
 *
 * @param read reads an input, and checks what came of it
 * @param Expected the class of the errors that may come of an input, if any may
 */
export function target(read, Expected) {
  Error.stackTraceLimit = undefined;
  return (data) => {
    try {
      read(data);
    } catch (error) {
      if (Expected !== undefined && error instanceof Expected) return;
      // Once more, with a stack.
      Error.stackTraceLimit = STACK_FRAMES;
      read(data);
      throw error;
    }
  };
}

const MOST_BYTES = 32;
const scratch = Buffer.alloc(MOST_BYTES);
const BY_LENGTH = Array.from({ length: MOST_BYTES + 1 }, (_, length) =>
  scratch.subarray(0, length),
);

/** Passes the bytes from `start` on in chunks of 1 to 32 bytes, which are overwritten when the next one comes. */
export function pushInChunks(bytes, start, byte, push) {
  const size = (byte % MOST_BYTES) + 1;
  for (let from = start; from < bytes.length; from += size) {
    const length = Math.min(size, bytes.length - from);
    for (let i = 0; i < length; i += 1) scratch[i] = bytes[from + i];
    push(BY_LENGTH[length]);
  }
}

/** Parts of a stream as a splitter passes them on, one after the other, each behind its length. */
export class Parts {
  bytes = Buffer.alloc(65_536);
  length = 0;
  /** What ended the stream. */
  end = '';

  clear() {
    this.length = 0;
    this.end = '';
  }

  add = (buffer, start, end) => {
    this.length = this.bytes.writeUInt32BE(end - start, this.length);
    this.length += buffer.copy(this.bytes, this.length, start, end);
  };

  equals(other) {
    return (
      this.end === other.end &&
      this.bytes.compare(other.bytes, 0, other.length, 0, this.length) === 0
    );
  }

  /** @param read is called with `bytes[start, end)` of each */
  forEach(read) {
    let end = 0;
    while (end < this.length) {
      const start = end + 4;
      end = start + this.bytes.readUInt32BE(end);
      read(this.bytes, start, end);
    }
  }
}
