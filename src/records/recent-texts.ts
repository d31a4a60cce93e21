import { isText } from './values.ts';

/** Slots for texts; a power of two. */
const SLOTS = 512;
/** Longer texts hardly ever repeat. */
const MAX_LENGTH = 256;

/** Texts that came lately: names, addresses and headers come again and again, though not one behind the other. */
export class RecentTexts {
  private readonly texts: string[] = Array.from({ length: SLOTS }, () => '');

  /** The text of `buffer[start, end)`, which is not empty. */
  read(buffer: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > MAX_LENGTH) return buffer.toString('utf8', start, end);
    const slot = slotOf(buffer, start, length);
    const known = this.texts[slot] ?? '';
    if (isText(known, buffer, start, end)) return known;
    const text = buffer.toString('utf8', start, end);
    this.texts[slot] = text;
    return text;
  }
}

/** By the length and some of the bytes, most of them of the end: that is where texts of one kind differ. */
function slotOf(buffer: Buffer, start: number, length: number): number {
  const end = start + length;
  let hash = length;
  for (let i = Math.max(start, end - 4); i < end; i += 1) {
    hash = Math.imul(hash, 31) + (buffer[i] ?? 0);
  }
  hash = Math.imul(hash, 31) + (buffer[start] ?? 0);
  hash = Math.imul(hash, 31) + (buffer[start + (length >> 1)] ?? 0);
  return (hash ^ (hash >>> 9)) & (SLOTS - 1);
}
