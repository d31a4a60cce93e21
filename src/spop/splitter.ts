import { grow, uint32At } from '../bytes.ts';
import { LENGTH_BYTES, MIN_FRAME_BYTES, StatusCode } from './constants.ts';
import { SpopError } from './error.ts';

/** Room for one of most frames, in bytes. */
const MIN_HELD = 1_024;

/** `buffer[start, end)` is one frame without its length. The bytes are valid during the call only. */
export type FrameSink = (buffer: Buffer, start: number, end: number) => void;

/**
 * Cuts a stream of bytes into frames. Whole frames are passed on in place; only a frame that spans chunks is copied.
 * At most one frame of `limit` bytes is buffered.
 */
export class FrameSplitter {
  private readonly limit: number;
  private held: Buffer = Buffer.alloc(0);
  private heldLength = 0;

  /** @param limit the longest frame in bytes, its length prefix not counted */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes of an unfinished frame that wait for the rest. */
  get pending(): number {
    return this.heldLength;
  }

  /** These bytes. */
  rest(): Buffer {
    return Buffer.from(this.held.subarray(0, this.heldLength));
  }

  /** @throws SpopError FRAME_TOO_BIG or INVALID_FRAME by the announced length, before its bytes are buffered */
  push(chunk: Buffer, sink: FrameSink): void {
    let position = this.heldLength > 0 ? this.complete(chunk, sink) : 0;
    while (chunk.length - position >= LENGTH_BYTES) {
      const start = position + LENGTH_BYTES;
      const end = start + this.checkedLength(chunk, position);
      if (end > chunk.length) break;
      sink(chunk, start, end);
      position = end;
    }
    if (position < chunk.length) this.hold(chunk, position, chunk.length);
  }

  /** Completes the buffered frame from `chunk` and emits it when whole; returns how many bytes were consumed. */
  private complete(chunk: Buffer, sink: FrameSink): number {
    let consumed = 0;
    if (this.heldLength < LENGTH_BYTES) {
      consumed = Math.min(LENGTH_BYTES - this.heldLength, chunk.length);
      this.hold(chunk, 0, consumed);
      if (this.heldLength < LENGTH_BYTES) return consumed;
    }
    const total = LENGTH_BYTES + this.checkedLength(this.held, 0);
    const missing = Math.min(total - this.heldLength, chunk.length - consumed);
    this.hold(chunk, consumed, consumed + missing);
    consumed += missing;
    if (this.heldLength === total) {
      this.heldLength = 0;
      sink(this.held, LENGTH_BYTES, total);
    }
    return consumed;
  }

  private hold(chunk: Buffer, start: number, end: number): void {
    const needed = this.heldLength + end - start;
    if (needed > this.held.length) {
      const most = this.limit + LENGTH_BYTES;
      this.held = grow(this.held, this.heldLength, Math.max(needed, MIN_HELD), most);
    }
    chunk.copy(this.held, this.heldLength, start, end);
    this.heldLength = needed;
  }

  private checkedLength(buffer: Buffer, position: number): number {
    const length = uint32At(buffer, position);
    if (length > this.limit) {
      throw new SpopError(
        StatusCode.FRAME_TOO_BIG,
        `frame of ${length} bytes, at most ${this.limit} accepted`,
      );
    }
    if (length < MIN_FRAME_BYTES) {
      throw new SpopError(
        StatusCode.INVALID_FRAME,
        `frame of ${length} bytes, at least ${MIN_FRAME_BYTES} expected`,
      );
    }
    return length;
  }
}
