import type { AttributeValue } from '../../records/record.ts';

/**
 * The attributes of the last span of a kind, and where they are. Most spans have most of them in common with the last:
 * runs of such are copied, and only what is in between is encoded.
 */
export class LastAttributes {
  /** Bytes to copy before anything else is written. */
  runStart = 0;
  runLength = 0;
  private readonly names: string[] = [];
  private readonly values: AttributeValue[] = [];
  private readonly ends: number[] = [];
  private count = 0;
  /** Which attribute of the span that is being written comes next, and where the last span's in that place starts. */
  private index = 0;
  private lastNext = 0;
  /** Where the attributes of the span start. */
  private start = 0;

  private generation = 0;

  /** The bytes are not there any more. */
  forget(): void {
    this.count = 0;
  }

  /** @param generation of the buffer in which the bytes are: those of another are gone */
  begin(position: number, generation: number): void {
    if (generation !== this.generation) {
      this.generation = generation;
      this.count = 0;
    }
    this.index = 0;
    this.lastNext = this.start;
    this.start = position;
  }

  /** Whether the last span had the same in this place, so that its bytes can be copied. */
  repeats(name: string, value: AttributeValue, position: number): boolean {
    const { index } = this;
    if (index >= this.count || this.names[index] !== name || this.values[index] !== value) {
      return false;
    }
    const end = this.ends[index] ?? 0;
    if (this.runLength === 0) this.runStart = this.lastNext;
    this.runLength = end - this.runStart;
    this.ends[index] = position + this.runLength;
    this.lastNext = end;
    this.index += 1;
    return true;
  }

  wrote(name: string, value: AttributeValue, end: number): void {
    const { index } = this;
    this.lastNext = this.ends[index] ?? 0;
    this.names[index] = name;
    this.values[index] = value;
    this.ends[index] = end;
    this.index += 1;
  }

  end(): void {
    this.count = this.index;
  }
}

/** The size of the cache, in likenesses. */
const MAX_KNOWN = 64;

/** The attributes of the last span of each likeness. */
export class Likenesses {
  private readonly known = new Map<unknown, LastAttributes>();
  private likeness: unknown;
  private last = new LastAttributes();

  of(likeness: unknown): LastAttributes {
    if (likeness === this.likeness) return this.last;
    let last = this.known.get(likeness);
    if (last === undefined) {
      if (this.known.size === MAX_KNOWN) this.known.clear();
      last = new LastAttributes();
      this.known.set(likeness, last);
    }
    this.likeness = likeness;
    this.last = last;
    return last;
  }
}
