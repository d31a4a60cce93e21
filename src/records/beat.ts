import type { Socket } from 'node:net';

/** Records are in no hurry: between two reads of a connection lie so many milliseconds, for all that comes meanwhile. */
const BEAT = 40;

/** Of sockets that are read in beats: a larger `highWaterMark` lets Node read on while they are paused. */
export const BEAT_SOCKETS = { highWaterMark: 1 } as const;

/** So long it takes to read what came in a pause, in milliseconds, and more. */
const BACKLOG = 10;

/**
 * Below so many bytes a read has taken all that was there. The kernel keeps what comes in a pause, some 64 KiB at first,
 * and HAProxy's ring what does not fit: where so much comes at a time there is no pause.
 */
const FEW_BYTES = 16_384;

/**
 * Has a socket that is read by `data` events read in beats: a read costs a wake-up of this process, whatever it brings. To
 * be on one with the options of `BEAT_SOCKETS`.
 */
export class Beat {
  private readonly socket: Socket;
  private timer: NodeJS.Timeout | undefined;
  /** Node reads once more after a pause has begun: that read comes when the pause is over, and is followed by another. */
  private isLate = false;
  /** When what came in pauses has been read, once there are none any more: by `performance.now`. */
  private liveFrom = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** To be asked once for each chunk: whether it was read before the pause was over, and more may have come since. */
  takeLate(): boolean {
    const isLate = this.isLate || performance.now() < this.liveFrom;
    this.isLate = false;
    return isLate;
  }

  /** @param bytes of the chunk that was read just now */
  afterRead(bytes: number): void {
    if (bytes >= FEW_BYTES) return;
    this.socket.pause();
    if (this.timer === undefined) this.timer = setTimeout(() => this.resume(), BEAT);
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
