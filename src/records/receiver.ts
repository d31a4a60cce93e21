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

/** How long a connection may be silent before it is reset, in milliseconds: one turn of the loop. */
const SILENCE = 5;

class RecordConnection {
  private state: 'open' | 'stopping' = 'open';
  private readonly socket: Socket;
  private readonly events: ReceiverEvents;
  private readonly splitter = new RecordSplitter();

  constructor(socket: Socket, events: ReceiverEvents) {
    this.socket = socket;
    this.events = events;
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
    if (this.splitter.framing === 'newline') this.resetWhenSilent();
    else this.socket.end();
    await closed;
    clearTimeout(timer);
  }

  private data(chunk: Buffer): void {
    if (this.state === 'stopping' && this.splitter.framing === 'newline') {
      // First the reset: what arrives while these records are worked on would be lost.
      if (chunk.at(-1) === NEWLINE) this.socket.resetAndDestroy();
      else this.resetWhenSilent();
    }
    try {
      this.splitter.push(chunk, this.events.onRecord);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      const { remoteAddress, remotePort } = this.socket;
      const peer = remoteAddress === undefined ? 'unix' : `${remoteAddress}:${remotePort}`;
      this.events.onBadFraming?.(peer, error);
      this.socket.destroy();
    }
  }

  private resetWhenSilent(): void {
    setTimeout(() => {
      if (this.splitter.pending === 0) this.socket.resetAndDestroy();
    }, SILENCE);
  }
}
