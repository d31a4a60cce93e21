import type { Socket } from 'node:net';
import {
  Connection,
  type ConnectionEnd,
  type ConnectionLimits,
  type NotifyHandler,
} from './connection.ts';
import { StatusCode } from './constants.ts';
import { SpopError } from './error.ts';
import type { Agreement } from './handshake.ts';

export type ServerLimits = ConnectionLimits & {
  /** Connections at a time; one more is told RESOURCE_ALLOCATION and closed. */
  readonly maxConnections: number;
};

/** Silence after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE = 60_000;

/** `peer` names the other side in logs: `address:port`, or `unix` for a local socket. */
export type ServerEvents = {
  readonly onHello?: (peer: string, agreement: Agreement) => void;
  /** With the agreement of the connection, if it came that far. */
  readonly onEnd?: (peer: string, end: ConnectionEnd, agreement: Agreement | undefined) => void;
  /** As of a `Connection`. */
  readonly onAnswered?: (notifies: number, milliseconds: number) => void;
};

/** The SPOP connections of one agent: takes sockets from any listener, bounds them, drains them. */
export class SpopServer {
  private readonly connections = new Map<Connection, Socket>();
  private readonly handler: NotifyHandler;
  private readonly limits: ServerLimits;
  private readonly events: ServerEvents;

  constructor(handler: NotifyHandler, limits: ServerLimits, events: ServerEvents = {}) {
    this.handler = handler;
    this.limits = limits;
    this.events = events;
  }

  /** Connections that are open. */
  get size(): number {
    return this.connections.size;
  }

  accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE);
    const peer =
      socket.remoteAddress === undefined ? 'unix' : `${socket.remoteAddress}:${socket.remotePort}`;
    const { onAnswered } = this.events;
    let agreement: Agreement | undefined;
    const connection = new Connection(socket, this.handler, this.limits, {
      ...(onAnswered === undefined ? {} : { onAnswered }),
      onHello: (agreed) => {
        agreement = agreed;
        this.events.onHello?.(peer, agreed);
      },
      onEnd: (end) => this.events.onEnd?.(peer, end, agreement),
    });
    this.connections.set(connection, socket);
    socket.once('close', () => this.connections.delete(connection));
    if (this.connections.size > this.limits.maxConnections) {
      connection.fail(
        new SpopError(
          StatusCode.RESOURCE_ALLOCATION,
          `${this.limits.maxConnections} connections are open already`,
        ),
      );
    }
  }

  /** Sends DISCONNECT on every connection; resolves when all are closed. The listener is closed before. */
  async stop(): Promise<void> {
    const closed = [...this.connections].map(([connection, socket]) => {
      connection.stop();
      return socket.destroyed
        ? undefined
        : new Promise<void>((resolve) => socket.once('close', () => resolve()));
    });
    await Promise.all(closed);
  }
}
