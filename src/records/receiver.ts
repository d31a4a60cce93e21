import type { Socket } from 'node:net';
import { AccessLog } from './access-log.ts';
import { FramingError, type RecordSink, RecordSplitter } from './splitter.ts';

export type ReceiverEvents = {
  readonly onRecord: RecordSink;
  /** A connection whose records cannot be told apart was closed. */
  readonly onBadFraming?: (peer: string, error: FramingError) => void;
};

/** Takes records from HAProxy's rings, and datagrams from processes of HAProxy that are stopping. */
export class RecordReceiver {
  private readonly connections = new Set<RecordConnection>();
  private readonly events: ReceiverEvents;
  private readonly accessLog = new AccessLog();

  constructor(events: ReceiverEvents) {
    this.events = events;
  }

  accept(socket: Socket): void {
    const connection = new RecordConnection(socket, this.events);
    this.connections.add(connection);
    socket.once('close', () => this.connections.delete(connection));
  }

  /**
   * A datagram carries one record. HAProxy sends it beside the ring from the moment it is told to
   * stop; the ring delivers it too unless the process really was stopping.
   */
  datagram(message: Buffer): void {
    if (!this.accessLog.isStopping(message, 0, message.length)) return;
    this.events.onRecord(message, 0, message.length);
  }

  /** Closes each connection between two records; after `limit` milliseconds closes what is left. */
  async stop(limit: number): Promise<void> {
    await Promise.all([...this.connections].map((connection) => connection.stop(limit)));
  }
}

/**
 * Nothing came for this long: HAProxy is between two writes. Milliseconds. A longer pause on a busy
 * connection is a HAProxy that is held up, and has the more to write when it goes on.
 */
const PAUSE = 0.3;

class RecordConnection {
  private readonly socket: Socket;
  private readonly events: ReceiverEvents;
  private readonly splitter = new RecordSplitter();
  private lastData = 0;
  /** `address:port`, or `unix` for a local socket, which has no reset. */
  private readonly peer: string;

  constructor(socket: Socket, events: ReceiverEvents) {
    this.socket = socket;
    this.events = events;
    const { remoteAddress, remotePort } = socket;
    this.peer = remoteAddress === undefined ? 'unix' : `${remoteAddress}:${remotePort}`;
    socket.setKeepAlive(true, KEEP_ALIVE);
    socket.on('data', (chunk: Buffer) => this.data(chunk));
    // HAProxy reconnects and goes on with its next record: nothing is to be done or told.
    socket.on('error', () => {});
  }

  /**
   * What HAProxy has written into a connection that is closed is lost, and each line of versions wants
   * another goodbye. 2.6, which counts its records, closes as soon as we half-close, and everything
   * before that is read. Later ones send lines, and go on writing into a half-closed connection: from
   * these we part in a pause of theirs, by a reset, which they notice at once.
   */
  async stop(limit: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    const timer = setTimeout(() => this.socket.destroy(), limit);
    if (this.splitter.framing === 'octet-count') this.socket.end();
    else {
      this.lastData = performance.now();
      this.resetInPause();
    }
    await closed;
    clearTimeout(timer);
  }

  private data(chunk: Buffer): void {
    try {
      this.splitter.push(chunk, this.events.onRecord);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.events.onBadFraming?.(this.peer, error);
      this.socket.destroy();
    }
    // The pause begins when these are worked on: meanwhile more may have come.
    this.lastData = performance.now();
  }

  /** Looks right after each poll of the loop, when what had come is read. */
  private resetInPause(): void {
    if (this.socket.destroyed) return;
    const paused = performance.now() - this.lastData >= PAUSE;
    if (paused && this.splitter.pending === 0) this.reset();
    else setImmediate(() => this.resetInPause());
  }

  private reset(): void {
    if (this.peer === 'unix') this.socket.destroy();
    else this.socket.resetAndDestroy();
  }
}

/** Silence after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE = 60_000;
