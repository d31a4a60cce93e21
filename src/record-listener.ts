import { createServer, type Socket } from 'node:net';
import { type Datagrams, listenForDatagrams } from './datagrams.ts';
import { type Listening, listenFor } from './listen.ts';
import type { InheritedSocket, ListenAddress } from './listen-address.ts';
import {
  ListenerTls,
  type ListenerTlsConfig,
  type ListenerTlsEvents,
  refuseExposed,
} from './listener-tls.ts';
import { readInPlace, socketInPlace } from './read-in-place.ts';
import type { RecordReceiver } from './records/receiver.ts';
import type { RingConnection } from './records/record-connection.ts';

/** More than a receiver has: it chooses who is closed for another. */
const MAX_ACCEPTED = 2_048;

/** A ring has one connection for each HAProxy process. */
const TLS_LIMITS = { handshakeTimeout: 5_000, connectionsOfPeer: 64 };

const OPTIONS = { pauseOnConnect: true } as const;

/** Where records come in: connections wait until there is a receiver for them. */
export class RecordListener {
  private readonly address: ListenAddress;
  private readonly files: ListenerTlsConfig | undefined;
  private tls: ListenerTls | undefined;
  private readonly early: Socket[] = [];
  private readonly server = createServer(OPTIONS, (socket) => this.accept(socket));
  private listening: Listening | undefined;
  private datagrams: Datagrams | undefined;
  private receiver: RecordReceiver | undefined;

  /** @param tls of connections over TCP; undefined where only this host connects */
  constructor(address: ListenAddress, tls: ListenerTlsConfig | undefined) {
    this.address = address;
    this.files = tls;
    this.server.maxConnections = MAX_ACCEPTED;
  }

  /**
   * @returns where it listens
   * @throws Error when it cannot
   */
  async open(): Promise<string> {
    const setting = 'HAPROXY_OTEL_RECORDS';
    this.listening = await listenFor(setting, this.server, this.address, OPTIONS);
    await refuseExposed(this.listening, setting, this.files);
    await this.openDatagrams();
    return this.listening.address;
  }

  /**
   * @param onRefused as of `ListenerTls`
   * @throws Error when datagrams cannot be received, or a certificate cannot be used
   */
  async receive(
    receiver: RecordReceiver,
    onRefused: ListenerTlsEvents['onRefused'],
  ): Promise<void> {
    this.receiver = receiver;
    const onConnection = (socket: Socket, raw: Socket): void => read(socket, receiver, raw);
    this.tls = this.files && new ListenerTls(this.files, TLS_LIMITS, { onConnection, onRefused });
    for (const socket of this.early.splice(0)) this.accept(socket);
    await this.openDatagrams();
  }

  /**
   * Reads certificates again.
   *
   * @throws Error when one cannot be used; nothing is changed then
   */
  prepare(): () => void {
    return this.tls?.prepare() ?? (() => {});
  }

  /** Reads on where another process ended. */
  continue(connection: RingConnection): void {
    this.receiver?.accept(socketInPlace({ fd: connection.fd }), connection);
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
    if (this.tls === undefined) read(readInPlace(socket), this.receiver);
    else this.tls.accept(socket);
  }

  /** Nothing keeps them but the socket's buffer: they are received when there is a receiver. They have no TLS. */
  private async openDatagrams(): Promise<void> {
    const { listening, receiver } = this;
    if (listening === undefined || receiver === undefined || this.files !== undefined) return;
    this.datagrams ??= await listenForDatagrams(listening, this.address, (message) =>
      receiver.datagram(message),
    );
  }
}

function read(socket: Socket, receiver: RecordReceiver, raw = socket): void {
  receiver.accept(socket, undefined, raw);
  socket.resume();
}
