import { hexDigit } from './hex.ts';
import {
  CHILD_HOP_LENGTH,
  type Hop,
  type HopLink,
  HopMark,
  HopOffset,
  ROOT_HOP_LENGTH,
} from './hop.ts';
import { SPAN_ID_DIGITS, TRACE_ID_DIGITS } from './traceparent.ts';

const DASH = 0x2d;
/** The second characters of marks. */
const [HAPROXY, RULES, DEBUG, LINK] = [
  HopMark.HAPROXY,
  HopMark.RULES,
  HopMark.DEBUG,
  HopMark.LINK,
].map((mark) => mark.charCodeAt(1));
/** Of a mark that is all there is behind the ids. */
const MARK_LENGTH = HopMark.HAPROXY.length;
const LINK_MARK = /^-l-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/**
 * A hop in the bytes of a line (hop.ts), to be read again and again: ids become text when they are read. Valid only
 * as long as the bytes are; `copyHop` makes a lasting copy.
 */
export class HopView implements Hop {
  /** The hop starts at `buffer[start]`: digits and dashes are where `HopOffset` says. */
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  hasParent = false;
  traceFlags = 0;
  mintedByHaproxy = false;
  decidedByHaproxy = false;
  link: HopLink | undefined;

  /** @returns whether `buffer[start, end)` is a well-formed hop */
  read(buffer: Buffer, start: number, end: number): boolean {
    const length = end - start;
    const isChild = length >= CHILD_HOP_LENGTH && buffer[start + ROOT_HOP_LENGTH + 1] !== LINK;
    const idsLength = isChild ? CHILD_HOP_LENGTH : ROOT_HOP_LENGTH;
    if (length < idsLength || !areIds(buffer, start, isChild)) return false;
    this.buffer = buffer;
    this.start = start;
    this.hasParent = isChild;
    this.traceFlags =
      hexDigit(buffer[start + HopOffset.FLAGS] ?? 0) * 16 +
      hexDigit(buffer[start + HopOffset.FLAGS + 1] ?? 0);
    this.mintedByHaproxy = false;
    this.decidedByHaproxy = false;
    this.link = undefined;
    return length === idsLength || this.readMark(start + idsLength, end);
  }

  get traceId(): string {
    return this.digits(HopOffset.TRACE_ID, TRACE_ID_DIGITS);
  }

  get spanId(): string {
    return this.digits(HopOffset.SPAN_ID, SPAN_ID_DIGITS);
  }

  get clientSpanId(): string {
    return this.digits(HopOffset.CLIENT_SPAN_ID, SPAN_ID_DIGITS);
  }

  get parentId(): string | undefined {
    return this.hasParent ? this.digits(HopOffset.PARENT_ID, SPAN_ID_DIGITS) : undefined;
  }

  private readMark(mark: number, end: number): boolean {
    const { buffer } = this;
    const letter = buffer[mark + 1];
    if (end - mark === MARK_LENGTH && buffer[mark] === DASH) {
      this.mintedByHaproxy = letter === HAPROXY;
      this.decidedByHaproxy = letter === RULES;
      if (letter === HAPROXY || letter === RULES || letter === DEBUG) return true;
    }
    if (letter !== LINK) return false;
    this.link = parseLink(buffer.toString('latin1', mark, end));
    return this.link !== undefined;
  }

  private digits(offset: number, length: number): string {
    const at = this.start + offset;
    return this.buffer.toString('latin1', at, at + length);
  }
}

/** Undefined for anything but a well-formed hop. */
export function parseHop(text: string): Hop | undefined {
  const view = new HopView();
  const buffer = Buffer.from(text);
  return view.read(buffer, 0, buffer.length) ? copyHop(view) : undefined;
}

/** The same, in text of its own. */
export function copyHop(hop: Hop): Hop {
  const { traceId, spanId, clientSpanId, parentId, traceFlags, link } = hop;
  const { mintedByHaproxy, decidedByHaproxy } = hop;
  const ids = { traceId, spanId, clientSpanId, parentId };
  return { ...ids, traceFlags, mintedByHaproxy, decidedByHaproxy, link };
}

function parseLink(mark: string): HopLink | undefined {
  const [, traceId, spanId, flags] = LINK_MARK.exec(mark) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
}

function areIds(buffer: Buffer, start: number, isChild: boolean): boolean {
  const flags = start + HopOffset.FLAGS;
  return (
    areDigits(buffer, start, TRACE_ID_DIGITS) &&
    buffer[start + HopOffset.SPAN_ID - 1] === DASH &&
    areDigits(buffer, start + HopOffset.SPAN_ID, SPAN_ID_DIGITS) &&
    buffer[flags - 1] === DASH &&
    areDigits(buffer, flags, 2) &&
    buffer[start + HopOffset.CLIENT_SPAN_ID - 1] === DASH &&
    areDigits(buffer, start + HopOffset.CLIENT_SPAN_ID, SPAN_ID_DIGITS) &&
    (!isChild ||
      (buffer[start + HopOffset.PARENT_ID - 1] === DASH &&
        areDigits(buffer, start + HopOffset.PARENT_ID, SPAN_ID_DIGITS)))
  );
}

function areDigits(buffer: Buffer, start: number, length: number): boolean {
  let seen = 0;
  for (let i = start; i < start + length; i += 1) seen |= hexDigit(buffer[i] ?? 0);
  return seen < 16;
}
