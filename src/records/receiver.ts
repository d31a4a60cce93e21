import type { Socket } from 'node:net';
import { leastUsed } from '../least-used.ts';
import { type AgeLimits, CONNECTION_AGE, ConnectionAge } from './connection-age.ts';
import { RecordConnection, type RecordEvents, type RingConnection } from './record-connection.ts';
import { RecordParser } from './record-parser.ts';

/** A ring has one connection for each process of HAProxy. */
const MAX_CONNECTIONS = 1_024;

/** Receives records from HAProxy's rings, and datagrams from processes of HAProxy that are stopping. */
export class RecordReceiver {
  private readonly connections = new Set<RecordConnection>();
  private readonly events: RecordEvents;
  private readonly parser = new RecordParser();
  private readonly limits: AgeLimits;
  private readonly maxConnections: number;
  private renewal: NodeJS.Timeout | undefined;

  /**
   * @param limits how old a connection gets
   * @param maxConnections at a time: for one more, one that never had a record or is idle is closed, or else the new one
   */
  constructor(
    events: RecordEvents,
    limits: AgeLimits = CONNECTION_AGE,
    maxConnections = MAX_CONNECTIONS,
  ) {
    this.events = events;
    this.limits = limits;
    this.maxConnections = maxConnections;
  }

  /**
   * @param former how far another process has come with the connection
   * @param raw the TCP connection below one of TLS
   */
  accept(socket: Socket, former?: RingConnection, raw: Socket = socket): void {
    const age = new ConnectionAge(this.limits, former?.age);
    const connection = new RecordConnection(socket, raw, this.events, age);
    this.connections.add(connection);
    if (this.connections.size > this.maxConnections) {
      const least = leastUsed(this.connections, connection);
      this.connections.delete(least);
      least.destroy();
      const reason = `the least used of more than ${this.maxConnections} connections`;
      this.events.onClosed?.(least.peer, reason);
    }
    if (former !== undefined) connection.continue(former);
    this.renewal ??= setInterval(() => this.renew(), this.limits.tick).unref();
    socket.once('close', () => this.connections.delete(connection));
  }

  /**
   * A datagram carries one record. HAProxy sends it in addition to the ring from its signal to stop on; the ring
   * delivers it too unless the process was stopping.
   */
  datagram(message: Buffer): void {
    if (!this.parser.isStopping(message, 0, message.length)) return;
    this.events.onRecord(message, 0, message.length);
  }

  /**
   * Reads nothing any more of any connection: another process reads on. Each is to be closed by `stop` when that has its
   * descriptor; of that, HAProxy notices nothing.
   */
  release(): RingConnection[] {
    clearInterval(this.renewal);
    return [...this.connections].flatMap((connection) => connection.release() ?? []);
  }

  /** Closes each connection between two records; after `limit` milliseconds closes what is left. */
  async stop(limit: number): Promise<void> {
    clearInterval(this.renewal);
    await Promise.all([...this.connections].map((connection) => connection.stop(limit)));
  }

  /** One at a time, the oldest first: a HAProxy with many rings never connects them all at once. */
  private renew(): void {
    const asked = [...this.connections].map(
      (connection) => [connection, connection.due()] as const,
    );
    const [oldest, due] = asked.find(([, when]) => when !== 'not yet') ?? [];
    if (oldest === undefined) return;
    if (due === 'when idle') {
      oldest.closeWhenIdle();
      return;
    }
    this.events.onRenew?.(oldest.peer, oldest.age.value);
    oldest.close();
  }
}
