import type { Socket } from 'node:net';

/** Milliseconds between two reads of a connection: records are not urgent, and one read is for all that came meanwhile. */
const READ_INTERVAL = 40;

/** More than the time that reading the backlog of a pause needs, in milliseconds. */
const BACKLOG = 10;

/**
 * A read of fewer bytes has emptied the socket's buffer. The kernel buffers what comes in a pause, some 64 KiB at
 * first, and HAProxy's ring the rest: at higher rates there is no pause.
 */
const FEW_BYTES = 16_384;

/**
 * Paces the reads of a socket with `data` events, as each read costs a wake-up of this process. The socket is one that
 * is read in place: any other is read once more after a pause has begun.
 */
export class ReadPacer {
  private readonly socket: Socket;
  private timer: NodeJS.Timeout | undefined;
  /** When what came in pauses has been read, once there are none any more: by `performance.now`. */
  private liveFrom = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Whether what was read just now may have come in a pause. */
  get isLate(): boolean {
    return performance.now() < this.liveFrom;
  }

  /** @param bytes of the chunk that was read just now */
  afterRead(bytes: number): void {
    if (bytes >= FEW_BYTES) return;
    this.socket.pause();
    if (this.timer === undefined)
      this.timer = setTimeout(() => this.socket.resume(), READ_INTERVAL);
    else this.timer.refresh();
  }

  /** Reads what came, and whatever comes, at once. */
  stop(): void {
    this.end();
    if (this.socket.destroyed) return;
    this.liveFrom = performance.now() + BACKLOG;
    this.socket.resume();
  }

  /** Leaves the socket as it is. */
  end(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
