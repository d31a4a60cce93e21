import type { Socket } from 'node:net';

/** Milliseconds between two reads of a connection: records are not urgent, and one read is for all that came meanwhile. */
const READ_INTERVAL = 40;

/** Options of sockets that are read by a `ReadPacer`: with a larger `highWaterMark` Node reads on while they are paused. */
export const PACED_SOCKETS = { highWaterMark: 1 } as const;

/** More than the time that reading the backlog of a pause needs, in milliseconds. */
const BACKLOG = 10;

/**
 * A read of fewer bytes has emptied the socket's buffer. The kernel buffers what comes in a pause, some 64 KiB at
 * first, and HAProxy's ring the rest: at higher rates there is no pause.
 */
const FEW_BYTES = 16_384;

/**
 * Paces the reads of a socket with `data` events, as each read costs a wake-up of this process. The socket needs the
 * options `PACED_SOCKETS`.
 */
export class ReadPacer {
  private readonly socket: Socket;
  private timer: NodeJS.Timeout | undefined;
  /** Node reads once more after a pause has begun: that read comes when the pause is over, and is followed by another. */
  private isLate = false;
  /** When what came in pauses has been read, once there are none any more: by `performance.now`. */
  private liveFrom = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** To be called once for each chunk: whether it was read before the pause was over, so that more may have come since. */
  checkLate(): boolean {
    const isLate = this.isLate || performance.now() < this.liveFrom;
    this.isLate = false;
    return isLate;
  }

  /** @param bytes of the chunk that was read just now */
  afterRead(bytes: number): void {
    if (bytes >= FEW_BYTES) return;
    this.socket.pause();
    if (this.timer === undefined) this.timer = setTimeout(() => this.resume(), READ_INTERVAL);
    else this.timer.refresh();
  }

  /** Reads what came, and whatever comes, at once. */
  stop(): void {
    this.end();
    if (this.socket.destroyed) return;
    this.liveFrom = performance.now() + BACKLOG;
    this.resume();
  }

  /** Leaves the socket as it is. */
  end(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private resume(): void {
    this.isLate = this.socket.readableLength > 0;
    this.socket.resume();
  }
}
