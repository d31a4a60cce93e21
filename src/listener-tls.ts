import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type Server } from 'node:tls';
import { hostAndPort } from './endpoint.ts';
import { errorText } from './error-text.ts';
import type { Listening } from './listen.ts';
import { isLoopback } from './listen-address.ts';
import { readCertificate } from './pem.ts';

/** What both ends of a connection from another host show: paths of PEM files. */
export type ListenerTlsConfig = {
  /** Of the agent, with what leads to its authority. */
  readonly certificate: string;
  readonly key: string;
  /** Authorities of the certificates that HAProxy shows. */
  readonly clientCa: string;
};

export type ListenerTlsLimits = {
  /** The timeout of a handshake, in milliseconds. */
  readonly handshakeTimeout: number;
  /** Connections of one address at a time, handshakes included; those of this host are not counted. */
  readonly connectionsOfPeer: number;
};

/** Handshakes at a time: for one more, the oldest is ended. */
const MAX_HANDSHAKES = 1_024;

export type ListenerTlsEvents = {
  /** @param raw the TCP connection below; a unix socket has no TLS, and is both */
  readonly onConnection: (socket: Socket, raw: Socket) => void;
  /** A connection was closed before it was secure. */
  readonly onRefused: (peer: string, reason: string) => void;
};

/** Lets connections of a listener through once both sides have shown their certificates. */
export class ListenerTls {
  private readonly config: ListenerTlsConfig;
  private readonly limits: ListenerTlsLimits;
  private readonly events: ListenerTlsEvents;
  /** Listens nowhere: connections are passed to it. */
  private readonly server: Server;
  /** Those that are not secure yet, in the order in which they came. */
  private readonly handshakes = new Set<Socket>();
  /** By address and port. */
  private readonly connections = new Map<string, Socket>();
  private readonly ofPeer = new Map<string, number>();

  /** @throws Error for a file that cannot be read, or is not what it has to be */
  constructor(config: ListenerTlsConfig, limits: ListenerTlsLimits, events: ListenerTlsEvents) {
    this.config = config;
    this.limits = limits;
    this.events = events;
    const { handshakeTimeout } = limits;
    const common = { requestCert: true, rejectUnauthorized: true, handshakeTimeout };
    this.server = createServer({ ...readFiles(config), ...common });
    this.server.on('secureConnection', (socket) => {
      const raw = this.connections.get(peerOf(socket));
      if (raw === undefined) {
        socket.destroy();
        return;
      }
      this.handshakes.delete(raw);
      events.onConnection(socket, raw);
    });
    this.server.on('tlsClientError', (error, socket) => {
      const { remoteAddress } = socket;
      // Who goes away without a word, as a check of the port does, is no trouble.
      if (remoteAddress !== undefined) events.onRefused(peerOf(socket), error.message);
      socket.destroy();
    });
  }

  accept(raw: Socket): void {
    // The own address of a TCP socket is known even where its peer has gone.
    if (raw.localAddress === undefined) {
      this.events.onConnection(raw, raw);
      return;
    }
    const { remoteAddress = '' } = raw;
    const peer = peerOf(raw);
    const count = (this.ofPeer.get(remoteAddress) ?? 0) + 1;
    if (count > this.limits.connectionsOfPeer && !isLoopback(remoteAddress)) {
      this.events.onRefused(peer, `it has ${count - 1} connections already`);
      raw.destroy();
      return;
    }
    this.connections.set(peer, raw);
    this.ofPeer.set(remoteAddress, count);
    this.handshakes.add(raw);
    const [oldest] = this.handshakes;
    if (this.handshakes.size > MAX_HANDSHAKES && oldest !== undefined) {
      this.handshakes.delete(oldest);
      oldest.destroy();
    }
    raw.once('close', () => {
      this.handshakes.delete(raw);
      this.connections.delete(peer);
      const left = (this.ofPeer.get(remoteAddress) ?? 1) - 1;
      if (left > 0) this.ofPeer.set(remoteAddress, left);
      else this.ofPeer.delete(remoteAddress);
    });
    this.server.emit('connection', raw);
  }

  /**
   * Reads the files again.
   *
   * @returns what has them used for connections that come from now on
   * @throws Error as the constructor does; nothing is changed then
   */
  prepare(): () => void {
    const files = readFiles(this.config);
    return () => this.server.setSecureContext(files);
  }
}

function peerOf({ remoteAddress = '', remotePort }: Socket): string {
  return hostAndPort(remoteAddress, remotePort);
}

function readFiles({ certificate, key, clientCa }: ListenerTlsConfig): Record<string, Buffer> {
  const files = {
    cert: readCertificate(certificate),
    key: readFileSync(key),
    ca: readCertificate(clientCa),
  };
  try {
    createSecureContext(files);
  } catch (error) {
    const reason = errorText(error);
    throw new Error(`${certificate} and ${key} are no certificate with its key: ${reason}`);
  }
  return files;
}

/** What a listener that other hosts reach needs. */
export const NEEDS_TLS =
  'beyond loopback and unix sockets HAPROXY_OTEL_TLS_CERTIFICATE, HAPROXY_OTEL_TLS_KEY and HAPROXY_OTEL_TLS_CLIENT_CA are needed';

/**
 * @param name of the setting
 * @throws Error where other hosts reach a listener that was handed over, and anybody could talk to it; it is closed then
 */
export async function refuseExposed(
  listening: Listening,
  name: string,
  tls: ListenerTlsConfig | undefined,
): Promise<void> {
  const bound = listening.server.address();
  if (tls !== undefined || bound === null || typeof bound === 'string') return;
  if (isLoopback(bound.address)) return;
  await listening.close();
  throw new Error(`${name} is "${listening.address}": ${NEEDS_TLS}`);
}
