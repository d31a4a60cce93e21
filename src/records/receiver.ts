import type { Socket } from 'node:net';
import { isStopping } from './access-log.ts';
import { FramingError, NEWLINE, type RecordSink, RecordSplitter } from './splitter.ts';

export type ReceiverEvents = {
  readonly onRecord: RecordSink;
  /** A connection whose records cannot be told apart was closed. */
  readonly onBadFraming?: (peer: string, error: FramingError) => void;
};

/** Takes records from HAProxy's rings, and datagrams from processes of HAProxy that are stopping. */
export class RecordReceiver {
  private readonly connections = new Set<RecordConnection>();
  private readonly events: ReceiverEvents;

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
    if (isStopping(message, 0, message.length)) this.events.onRecord(message, 0, message.length);
  }

  /** Closes each connection between two records; after `limit` milliseconds closes what is left. */
  async stop(limit: number): Promise<void> {
    await Promise.all([...this.connections].map((connection) => connection.stop(limit)));
  }
}

/** What HAProxy has written already is read in this time before a connection is reset. Milliseconds. */
const READ_OUT = 5;

class RecordConnection {
  private state: 'open' | 'stopping' = 'open';
  private readonly socket: Socket;
  private readonly events: ReceiverEvents;
  private readonly splitter = new RecordSplitter();
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
   * before that is read. Later ones send lines, and go on writing into a half-closed connection: these
   * are reset right behind a record, which they notice at once.
   */
  async stop(limit: number): Promise<void> {
    this.state = 'stopping';
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    const timer = setTimeout(() => this.socket.destroy(), limit);
    if (this.splitter.framing === 'octet-count') this.socket.end();
    // Between a timer and an immediate the loop reads what is there.
    else setTimeout(() => setImmediate(() => this.resetBetweenRecords()), READ_OUT);
    await closed;
    clearTimeout(timer);
  }

  private data(chunk: Buffer): void {
    // First the reset: what arrives while these records are worked on would be lost.
    if (this.state === 'stopping' && chunk.at(-1) === NEWLINE) this.resetLines();
    try {
      this.splitter.push(chunk, this.events.onRecord);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.events.onBadFraming?.(this.peer, error);
      this.socket.destroy();
    }
  }

  private resetBetweenRecords(): void {
    // Inside a record, the chunk that ends it does the rest.
    if (this.splitter.pending === 0) this.reset();
  }

  private resetLines(): void {
    if (this.splitter.framing === 'newline') this.reset();
  }

  private reset(): void {
    if (this.peer === 'unix') this.socket.destroy();
    else this.socket.resetAndDestroy();
  }
}

/** Silence after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE = 60_000;
