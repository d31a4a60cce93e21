import { once } from 'node:events';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { stopReading } from '../descriptors.ts';
import { leastUsed } from '../least-used.ts';
import {
  Connection,
  type ConnectionEnd,
  type ConnectionLimits,
  type ConnectionState,
  type NotifyHandler,
} from './connection.ts';
import { StatusCode } from './constants.ts';
import { SpopError } from './error.ts';
import type { Agreement } from './handshake.ts';

export type ServerLimits = ConnectionLimits & {
  /**
   * Connections at a time, health checks left out. For one more, one that never asked or is idle gets a DISCONNECT with
   * RESOURCE_ALLOCATION, or else the new one itself in place of its HELLO.
   */
  readonly maxConnections: number;
};

/**
 * Connections beyond the limit while their HAPROXY-HELLO has not come: it is what tells a health check. For one more, the
 * oldest without a HELLO is disconnected.
 */
const WITHOUT_HELLO = 64;

/** Silence after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE = 60_000;

/** `peer` names the other side in logs: `address:port`, or `unix` for a local socket. */
export type ServerEvents = {
  /** @param isNew false for a connection of another process */
  readonly onHello?: (peer: string, agreement: Agreement, isNew: boolean) => void;
  /** With the agreement of the connection, if it came that far. */
  readonly onEnd?: (peer: string, end: ConnectionEnd, agreement: Agreement | undefined) => void;
  /** As of a `Connection`. */
  readonly onAnswered?: (notifies: number, milliseconds: number) => void;
};

/** The SPOP connections of one agent: accepts sockets of any listener, limits their number, drains them. */
export class SpopServer {
  private readonly connections = new Map<Connection, Socket>();
  /** Those whose HAPROXY-HELLO has not come, in the order in which they came. */
  private readonly pending = new Set<Connection>();
  /** Those that had theirs and have not ended, likewise; health checks end with it. */
  private readonly open = new Set<Connection>();
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

  /** @param former how far another process has come with the connection */
  accept(socket: Socket, former?: ConnectionState): void {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE);
    const peer =
      socket.remoteAddress === undefined ? 'unix' : `${socket.remoteAddress}:${socket.remotePort}`;
    const { onAnswered } = this.events;
    let agreement: Agreement | undefined;
    const events = {
      ...(onAnswered === undefined ? {} : { onAnswered }),
      onOffer: ({ healthcheck }: Agreement) => {
        this.pending.delete(connection);
        if (!healthcheck) this.admit(connection);
      },
      onHello: (agreed: Agreement) => {
        agreement = agreed;
        this.events.onHello?.(peer, agreed, former === undefined);
      },
      onEnd: (end: ConnectionEnd) => {
        this.pending.delete(connection);
        this.open.delete(connection);
        this.events.onEnd?.(peer, end, agreement);
      },
    };
    const connection: Connection = new Connection(
      socket,
      this.handler,
      this.limits,
      events,
      former,
    );
    this.connections.set(connection, socket);
    socket.once('close', () => this.connections.delete(connection));
    if (former?.agreement === undefined) this.hold(connection);
    else this.admit(connection);
  }

  /** Waits for its HAPROXY-HELLO. */
  private hold(connection: Connection): void {
    this.pending.add(connection);
    if (this.open.size + this.pending.size <= this.limits.maxConnections + WITHOUT_HELLO) return;
    const [oldest] = this.pending;
    oldest?.fail(this.tooMany());
  }

  private admit(connection: Connection): void {
    this.open.add(connection);
    if (this.open.size <= this.limits.maxConnections) return;
    leastUsed(this.open, connection).fail(this.tooMany());
  }

  private tooMany(): SpopError {
    const text = `${this.limits.maxConnections} connections are open already`;
    return new SpopError(StatusCode.RESOURCE_ALLOCATION, text);
  }

  /**
   * Passes each connection to another process, one at a time, so that each waits as short as can be; then the own end
   * of it is closed, of which HAProxy notices nothing. TLS ends with this process: such connections are left to
   * `stop`.
   *
   * @param send resolves when the other process reads from it
   * @returns how many
   */
  async handOver(send: (state: ConnectionState, socket: Socket) => Promise<void>): Promise<number> {
    let sent = 0;
    for (const [connection, socket] of this.connections) {
      if (socket.destroyed || socket instanceof TLSSocket) continue;
      stopReading(socket);
      // An answer of which a part is written cannot be written on by another process.
      if (!(await isWritten(socket))) continue;
      const state = connection.release();
      if (state === undefined) continue;
      await send(state, socket);
      socket.destroy();
      sent += 1;
    }
    return sent;
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

/** The timeout for a peer to read the last answers, in milliseconds: HAProxy waits no longer for them. */
const UNWRITTEN = 1_000;

async function isWritten(socket: Socket): Promise<boolean> {
  if (socket.writableLength === 0) return true;
  const signal = AbortSignal.timeout(UNWRITTEN);
  await Promise.race(['drain', 'close'].map((name) => once(socket, name, { signal }))).catch(
    () => {},
  );
  return !socket.destroyed && socket.writableLength === 0;
}
