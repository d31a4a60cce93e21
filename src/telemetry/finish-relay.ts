import type { RecordSink } from '../records/splitter.ts';

/** What may wait for the telemetry thread, in bytes; what comes beyond is dropped. */
const MAX_WAITING = 16 * 1024 * 1024;
const LENGTH_BYTES = 4;

/**
 * Hands the `finish` messages of one turn of the event loop to the telemetry thread in one piece: each as
 * its length and its bytes.
 */
export class FinishRelay {
  private dropping = false;
  private readonly post: (bytes: Uint8Array<ArrayBuffer>) => void;
  private readonly onDropping: () => void;
  private readonly parts: Buffer[] = [];
  private size = 0;
  private waiting = 0;

  /** @param onDropping told once when there is no room, and again only after there was some */
  constructor(post: (bytes: Uint8Array<ArrayBuffer>) => void, onDropping: () => void) {
    this.post = post;
    this.onDropping = onDropping;
  }

  /** Copies `buffer[start, end)`. */
  add(buffer: Buffer, start: number, end: number): void {
    const size = LENGTH_BYTES + end - start;
    if (this.waiting + this.size + size > MAX_WAITING) {
      if (!this.dropping) this.onDropping();
      this.dropping = true;
      return;
    }
    this.dropping = false;
    if (this.size === 0) setImmediate(() => this.flush());
    const part = Buffer.allocUnsafe(size);
    part.writeUInt32BE(end - start);
    buffer.copy(part, LENGTH_BYTES, start, end);
    this.parts.push(part);
    this.size += size;
  }

  flush(): void {
    if (this.size === 0) return;
    const bytes = new Uint8Array(new ArrayBuffer(this.size));
    let position = 0;
    for (const part of this.parts) {
      bytes.set(part, position);
      position += part.length;
    }
    this.waiting += this.size;
    this.parts.length = 0;
    this.size = 0;
    this.post(bytes);
  }

  /** The telemetry thread is done with as many bytes. */
  taken(bytes: number): void {
    this.waiting -= bytes;
  }
}

/** Takes apart on the telemetry thread what a `FinishRelay` sent. */
export function splitRelayed(bytes: Uint8Array<ArrayBuffer>, sink: RecordSink): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let position = 0; position < buffer.length; ) {
    const start = position + LENGTH_BYTES;
    position = start + buffer.readUInt32BE(position);
    sink(buffer, start, position);
  }
}
