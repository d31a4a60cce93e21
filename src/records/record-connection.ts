import type { Socket } from 'node:net';
import { descriptorOf, stopReading } from '../descriptors.ts';
import type { ConnectionAge, Due } from './connection-age.ts';
import { ReadPacer } from './read-pacer.ts';
import { type Framing, FramingError, type RecordSink, RecordSplitter } from './splitter.ts';

export type RecordEvents = {
  readonly onRecord: RecordSink;
  /** A connection was closed because its records cannot be separated. */
  readonly onBadFraming?: (peer: string, error: FramingError) => void;
  /** A connection was closed for another, as there are too many. */
  readonly onClosed?: (peer: string, reason: string) => void;
  /** A connection is being renewed for its age, in milliseconds. */
  readonly onRenew?: (peer: string, age: number) => void;
};

/** A ring's connection that another process reads on, from where this one ended. */
export type RingConnection = {
  readonly fd: number;
  readonly framing: Framing | undefined;
  /** The beginning of a record. */
  readonly unread: Uint8Array;
  /** Milliseconds. */
  readonly age: number;
  /** It is being ended, for its age. */
  readonly isParting: boolean;
};

/** A ring that was idle for this long is unlikely to write in the moment of a reset. Milliseconds. */
const IDLE_TIME = 50;

/** The timeout for a HAProxy that answers a half-close by closing, at once unless it has no processor. Milliseconds. */
const HALF_CLOSE = 4_000;

/**
 * `waiting` for the ring to be idle, and `open` again if it is not; `closing` waits for the answer to a half-close,
 * `resetting` for the end of what HAProxy writes. What is `released` is another process's.
 */
type State = 'open' | 'waiting' | 'closing' | 'resetting' | 'released';

/** One connection of a ring: reads it, and ends it without loss where HAProxy's version allows that. */
export class RecordConnection {
  /** `address:port`, or `unix` for a local socket, which has no reset. */
  readonly peer: string;
  readonly age: ConnectionAge;
  private state: State = 'open';
  private readonly socket: Socket;
  private readonly raw: Socket;
  private readonly events: RecordEvents;
  private readonly splitter = new RecordSplitter();
  private readonly pacer: ReadPacer;
  private chunks = 0;
  /** When the last record came, or else the connection. */
  private lastRecord = performance.now();
  isUsed = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly onRecord: RecordSink = (buffer, start, end) => {
    this.age.records += 1;
    this.events.onRecord(buffer, start, end);
  };

  constructor(socket: Socket, raw: Socket, events: RecordEvents, age: ConnectionAge) {
    this.socket = socket;
    this.raw = raw;
    this.events = events;
    this.age = age;
    const { remoteAddress, remotePort } = socket;
    this.peer = remoteAddress === undefined ? 'unix' : `${remoteAddress}:${remotePort}`;
    this.pacer = new ReadPacer(socket);
    socket.setKeepAlive(true, KEEP_ALIVE);
    socket.on('data', (chunk: Buffer) => {
      this.data(chunk, this.pacer.isLate);
      // Each record of TLS is a chunk, however many have come.
      if (this.state === 'open' && raw === socket) this.pacer.afterRead(chunk.length);
    });
    // HAProxy reconnects and continues with its next record: there is nothing to do or log.
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(this.timer);
      this.pacer.stop();
    });
  }

  continue({ framing, unread, isParting }: RingConnection): void {
    this.splitter.framing = framing;
    this.data(Buffer.from(unread), true);
    if (isParting) this.close();
  }

  /** @returns undefined where the connection is closed, or is of TLS, or cannot be read */
  release(): RingConnection | undefined {
    // TLS ends with this process: `stop` ends the connection.
    if (this.socket.destroyed || this.raw !== this.socket) return undefined;
    const isParting = this.state === 'closing' || this.state === 'resetting';
    this.state = 'released';
    clearTimeout(this.timer);
    this.pacer.end();
    stopReading(this.socket);
    if (this.socket.destroyed) return undefined;
    const { framing } = this.splitter;
    const unread = this.splitter.rest();
    return { fd: descriptorOf(this.socket), framing, unread, age: this.age.value, isParting };
  }

  /** Whether to renew this connection; to be asked once a tick. */
  due(): Due {
    const due = this.age.due();
    return this.state === 'open' ? due : 'not yet';
  }

  /** Milliseconds since a record came. */
  get idle(): number {
    return performance.now() - this.lastRecord;
  }

  /** Closes it at once. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Ends the connection as `close` does, once no record came for a moment. */
  closeWhenIdle(): void {
    if (this.state !== 'open') return;
    this.state = 'waiting';
    this.pacer.stop();
    this.timer = setTimeout(() => {
      this.afterPoll((isIdle) => {
        if (this.state !== 'waiting') return;
        this.state = 'open';
        if (!isIdle) return;
        this.events.onRenew?.(this.peer, this.age.value);
        if (this.splitter.framing === 'octet-count') this.close();
        else this.reset();
      });
    }, IDLE_TIME);
  }

  /**
   * Ends the connection: HAProxy makes a new one at once, if it can.
   *
   * What HAProxy has written into a connection that is closed is lost, and versions differ in how to avoid that. 2.6,
   * which counts its records, closes as soon as we half-close, and everything before that is read. Later ones send
   * lines, and go on writing into a half-closed connection: these get a reset, which they notice at once. It loses
   * what they write in that moment.
   */
  close(): void {
    if (this.state === 'closing' || this.state === 'resetting') return;
    clearTimeout(this.timer);
    this.pacer.stop();
    if (this.splitter.framing === 'octet-count') {
      this.state = 'closing';
      this.endWhenRead();
      // From 2.8 on it is not answered: up to 3.0 nothing is written any more, later everything.
      this.timer = setTimeout(() => this.startReset(), HALF_CLOSE);
    } else {
      this.startReset();
    }
  }

  /** As `close`; resolves when it is closed, after `limit` milliseconds at the latest. */
  async stop(limit: number): Promise<void> {
    if (this.state === 'released') this.socket.destroy();
    if (this.socket.destroyed) return;
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    const timer = setTimeout(() => this.socket.destroy(), limit);
    this.close();
    await closed;
    clearTimeout(timer);
  }

  /** @param isLate it was read some time ago, so that its arrival is no sign of what HAProxy does now */
  private data(chunk: Buffer, isLate: boolean): void {
    this.chunks += 1;
    const isFirst = this.splitter.framing === undefined;
    const { records } = this.age;
    try {
      this.splitter.push(chunk, this.onRecord);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.events.onBadFraming?.(this.peer, error);
      this.socket.destroy();
      return;
    }
    if (this.age.records > records) {
      this.isUsed = true;
      this.lastRecord = performance.now();
    }
    if (this.state === 'resetting') {
      if (isFirst && this.splitter.framing === 'octet-count') this.closeAgain();
      else if (!isLate) this.resetBehindRecord();
    }
    if (this.state !== 'waiting') return;
    clearTimeout(this.timer);
    this.state = 'open';
  }

  /** How HAProxy frames its records, and so how to close the connection, is known only now. */
  private closeAgain(): void {
    this.state = 'open';
    this.close();
  }

  /** What HAProxy has written and not yet sent when it answers is lost: nothing, if all was read before. */
  private endWhenRead(): void {
    const { chunks } = this;
    setImmediate(() => {
      if (this.state !== 'closing') return;
      if (this.chunks === chunks) this.socket.end();
      else this.endWhenRead();
    });
  }

  private startReset(): void {
    this.state = 'resetting';
    this.timer = setTimeout(() => this.resetWhenIdle(), IDLE_TIME);
  }

  /**
   * HAProxy has just written, and is about to wait for what comes next: unless the next poll of the loop has more. Not
   * after a pause by the clock: on a busy connection that is a HAProxy that is held up, with more to write.
   */
  private resetBehindRecord(): void {
    this.timer?.refresh();
    const reset = (isIdle: boolean): void => {
      if (isIdle) this.reset();
    };
    // The first immediate comes right behind the poll that read the record, and shows nothing of what the kernel still has.
    setImmediate(() => this.afterPoll(reset));
  }

  /** Waits for the end of an incomplete record. */
  private resetWhenIdle(): void {
    this.afterPoll((isIdle) => {
      if (isIdle) this.reset();
      else this.timer?.refresh();
    });
  }

  /**
   * A timer alone shows no silence: what came while this process was held up is read by the next poll of the loop.
   *
   * @param then is called with whether that had nothing, and no record is incomplete
   */
  private afterPoll(then: (isIdle: boolean) => void): void {
    const { chunks } = this;
    setImmediate(() => then(this.chunks === chunks && this.splitter.pending === 0));
  }

  private reset(): void {
    const { socket } = this;
    if (socket.destroyed || this.state === 'released') return;
    // While its half-close is under way Node cannot reset a socket: it would never be closed, nor its thread end.
    const isEnding = socket.writableEnded && !socket.writableFinished;
    if (this.peer === 'unix' || isEnding) socket.destroy();
    else this.raw.resetAndDestroy();
  }
}

/** Silence after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE = 60_000;
