import { createServer, Socket } from 'node:net';
import { type Datagrams, listenForDatagrams } from './datagrams.ts';
import { type InheritedSocket, type ListenAddress, type Listening, listen } from './listen.ts';
import { BEAT_SOCKETS } from './records/beat.ts';
import type { RecordReceiver, RingConnection } from './records/receiver.ts';

const MAX_RECORD_CONNECTIONS = 1024;

const OPTIONS = { pauseOnConnect: true, ...BEAT_SOCKETS } as const;

/** Where records come in: connections wait until there is a receiver for them. */
export class RecordListener {
  private readonly address: ListenAddress;
  private readonly early: Socket[] = [];
  private readonly server = createServer(OPTIONS, (socket) => this.accept(socket));
  private listening: Listening | undefined;
  private datagrams: Datagrams | undefined;
  private receiver: RecordReceiver | undefined;

  constructor(address: ListenAddress) {
    this.address = address;
    this.server.maxConnections = MAX_RECORD_CONNECTIONS;
  }

  /**
   * @returns where it listens
   * @throws Error when it cannot
   */
  async open(): Promise<string> {
    this.listening = await listen(this.server, this.address, OPTIONS);
    await this.openDatagrams();
    return this.listening.address;
  }

  /** @throws Error when datagrams cannot be received */
  async receive(receiver: RecordReceiver): Promise<void> {
    this.receiver = receiver;
    for (const socket of this.early.splice(0)) this.accept(socket);
    await this.openDatagrams();
  }

  /** Reads on where another process ended. */
  continue(connection: RingConnection): void {
    const socket = new Socket({ fd: connection.fd, ...BEAT_SOCKETS });
    this.receiver?.accept(socket, connection);
  }

  sockets(): InheritedSocket[] {
    return [...(this.listening?.sockets() ?? []), ...(this.datagrams?.sockets() ?? [])];
  }

  /** Another process has the sockets, and reads the connections on. */
  release(): RingConnection[] {
    this.listening?.release();
    this.datagrams?.close();
    return this.receiver?.release() ?? [];
  }

  /** Accepts and reads what has come, for `limit` milliseconds. */
  async close(limit: number): Promise<void> {
    await this.listening?.close();
    await this.receiver?.stop(limit);
    this.datagrams?.close();
  }

  private accept(socket: Socket): void {
    if (this.receiver === undefined) {
      this.early.push(socket);
      return;
    }
    this.receiver.accept(socket);
    socket.resume();
  }

  /** Nothing keeps them but the socket's buffer: they are received when there is somebody to take them. */
  private async openDatagrams(): Promise<void> {
    const { listening, receiver } = this;
    if (listening === undefined || receiver === undefined) return;
    this.datagrams ??= await listenForDatagrams(listening, this.address, (message) =>
      receiver.datagram(message),
    );
  }
}
