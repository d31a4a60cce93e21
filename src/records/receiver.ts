import type { Socket } from 'node:net';
import { isStopping } from './access-log.ts';
import { FramingError, type RecordSink, RecordSplitter } from './splitter.ts';

export type ReceiverEvents = {
  readonly onRecord: RecordSink;
  /** A connection that does not speak `log-proto octet-count` was closed. */
  readonly onBadFraming?: (peer: string, error: FramingError) => void;
};

/** Takes records from HAProxy's rings, and datagrams from processes of HAProxy that are stopping. */
export class RecordReceiver {
  private readonly sockets = new Set<Socket>();
  private readonly events: ReceiverEvents;

  constructor(events: ReceiverEvents) {
    this.events = events;
  }

  accept(socket: Socket): void {
    const peer = `${socket.remoteAddress ?? 'unix'}:${socket.remotePort ?? ''}`;
    const splitter = new RecordSplitter();
    this.sockets.add(socket);
    socket.on('data', (chunk: Buffer) => {
      try {
        splitter.push(chunk, this.events.onRecord);
      } catch (error) {
        if (!(error instanceof FramingError)) throw error;
        this.events.onBadFraming?.(peer, error);
        socket.destroy();
      }
    });
    // HAProxy reconnects and goes on with its next record: nothing is to be done or told.
    socket.on('error', () => {});
    socket.once('close', () => this.sockets.delete(socket));
  }

  /**
   * A datagram carries one record. HAProxy sends it beside the ring from the moment it is told to
   * stop; the ring delivers it too unless the process really was stopping.
   */
  datagram(message: Buffer): void {
    if (isStopping(message, 0, message.length)) this.events.onRecord(message, 0, message.length);
  }

  /**
   * Half-closes each connection and reads on until HAProxy closes its side, so that no record is
   * written into a connection that nobody reads; after `limit` milliseconds closes what is left.
   */
  async stop(limit: number): Promise<void> {
    const closed = [...this.sockets].map(
      (socket) =>
        new Promise<void>((resolve) => {
          const timer = setTimeout(() => socket.destroy(), limit);
          socket.once('close', () => {
            clearTimeout(timer);
            resolve();
          });
          socket.end();
        }),
    );
    await Promise.all(closed);
  }
}
