import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, isIP, type Server } from 'node:net';
import { hostAndPort } from './endpoint.ts';

/** Where a listener stands: `host:port`, `unix:/path`, or `fd:N` for a socket that was handed over. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'fd';
      readonly fd: number;
      /** The descriptor of a socket for datagrams that came with it. */
      readonly datagrams?: number | undefined;
    };

/** Where the agent listens unless it is told otherwise: only this host gets there. */
export const DEFAULT_ADDRESSES = {
  spop: { kind: 'tcp', host: '127.0.0.1', port: 12_345 },
  records: { kind: 'tcp', host: '127.0.0.1', port: 12_346 },
  admin: { kind: 'tcp', host: '127.0.0.1', port: 12_347 },
} as const satisfies Readonly<Record<string, ListenAddress>>;

/** Whether only this host reaches `host`: a name or an address without port, brackets left out. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 0) return host === 'localhost';
  return /^(127\.|::1$|::ffff:127\.)/.test(host);
}

/** A reload of HAProxy opens all its connections at once. */
const BACKLOG = 4096;

/**
 * Opens `server` on `address`. A unix socket that nobody listens on any more is replaced.
 *
 * @throws Error with `address` in its message, and the system's error as its cause
 */
export async function listen(server: Server, address: ListenAddress): Promise<void> {
  if (address.kind === 'unix') await removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    const onError = (error: Error): void =>
      reject(
        new Error(`cannot listen on ${formatAddress(address)}: ${error.message}`, { cause: error }),
      );
    server.once('error', onError);
    server.listen({ ...toOptions(address), backlog: BACKLOG }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

/** Whether `listen` failed because somebody else listens there. */
export function isTaken(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
}

/** Datagrams that come faster than they are parsed wait here: a reload under load sends many at once. */
const DATAGRAM_BUFFER = 4 * 1024 * 1024;

/**
 * Receives UDP on the port of the TCP listener `server`, as HAProxy's `log` line has it.
 *
 * @returns undefined for a listener that has no port of its own
 */
export async function listenForDatagrams(
  server: Server,
  address: ListenAddress,
  onMessage: (message: Buffer) => void,
): Promise<DatagramSocket | undefined> {
  if (address.kind === 'fd' && address.datagrams !== undefined) {
    return receiveDatagrams(address.datagrams, onMessage);
  }
  const bound = server.address();
  if (address.kind !== 'tcp' || bound === null || typeof bound === 'string') return undefined;
  const type = bound.family === 'IPv6' ? 'udp6' : 'udp4';
  const socket = createSocket({ type, recvBufferSize: DATAGRAM_BUFFER });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) =>
      reject(new Error(`cannot receive datagrams on port ${bound.port}: ${error.message}`)),
    );
    socket.bind(bound.port, address.host, resolve);
  });
  socket.on('message', onMessage);
  return socket;
}

/** Takes over a socket whose buffer is as large as whoever opened it wanted. */
async function receiveDatagrams(
  fd: number,
  onMessage: (message: Buffer) => void,
): Promise<DatagramSocket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) =>
      reject(new Error(`cannot receive datagrams on fd:${fd}: ${error.message}`)),
    );
    socket.bind({ fd, exclusive: true }, resolve);
  });
  socket.on('message', onMessage);
  return socket;
}

/** The address as it is written in settings; the port is the one really bound. */
export function boundAddress(server: Server, address: ListenAddress): string {
  const bound = server.address();
  if (address.kind === 'tcp' && bound !== null && typeof bound === 'object') {
    return formatAddress({ ...address, port: bound.port });
  }
  if (address.kind === 'fd' && bound !== null) {
    return typeof bound === 'string'
      ? `unix:${bound}`
      : formatAddress({ kind: 'tcp', host: bound.address, port: bound.port });
  }
  return formatAddress(address);
}

export function formatAddress(address: ListenAddress): string {
  switch (address.kind) {
    case 'tcp':
      return hostAndPort(address.host, address.port);
    case 'unix':
      return `unix:${address.path}`;
    case 'fd':
      return `fd:${address.fd}`;
    default:
      return address satisfies never;
  }
}

function toOptions(
  address: ListenAddress,
): { host: string; port: number } | { path: string } | { fd: number } {
  switch (address.kind) {
    case 'tcp':
      return { host: address.host, port: address.port };
    case 'unix':
      return { path: address.path };
    case 'fd':
      return { fd: address.fd };
    default:
      return address satisfies never;
  }
}

/** A socket file outlives the process that made it; only one that still answers is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
  if (!answers) unlinkSync(path);
}
