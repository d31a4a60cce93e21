import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { lookup as lookupName } from 'node:dns/promises';
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, isIP, type Server, type ServerOpts } from 'node:net';
import { setImmediate } from 'node:timers/promises';
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

/** A server that listens, and those that stand beside it on the other addresses of its name. */
export type Listening = {
  /** Has the connections of all. */
  readonly server: Server;
  /** As it is written in settings; the port is the one really bound. */
  readonly address: string;
  /** What is bound, without port: empty for a socket that has none, or that was handed over. */
  readonly hosts: readonly string[];
  /** Accepts who has connected so far, and then no more. */
  readonly close: () => Promise<void>;
};

/** All addresses of a name, as getaddrinfo(3) has them. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/**
 * Opens `server` on `address`: where that is a name, on each address that the name has. A unix socket that nobody listens
 * on any more is replaced.
 *
 * @param options of `server`: those beside it have the same
 * @throws Error with `address` in its message, and the system's error as its cause; nothing listens then
 */
export async function listen(
  server: Server,
  address: ListenAddress,
  options: ServerOpts = {},
  lookup: Lookup = lookupAll,
): Promise<Listening> {
  if (address.kind === 'unix') await removeStaleSocket(address.path);
  try {
    if (address.kind === 'tcp') return await listenOnAll(server, address, options, lookup);
    await open(server, address.kind === 'unix' ? { path: address.path } : { fd: address.fd });
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`cannot listen on ${formatAddress(address)}: ${message}`, { cause: error });
  }
  return {
    server,
    address: boundAddress(server, address),
    hosts: [],
    close: () => closeAll(server, [server]),
  };
}

/**
 * The kernel resets connections that wait to be accepted when nobody listens any more, and what was sent in them is lost.
 *
 * @param server that gets the connections of all `servers`
 */
async function closeAll(server: Server, servers: readonly Server[]): Promise<void> {
  let accepted: number;
  const count = (): void => {
    accepted += 1;
  };
  server.on('connection', count);
  let turns = BACKLOG;
  do {
    accepted = 0;
    // The first ends the turn of the event loop that is under way; in the next one all servers may accept.
    await setImmediate();
    await setImmediate();
    turns -= 1;
  } while (accepted > 0 && turns > 0);
  server.off('connection', count);
  for (const each of servers) each.close();
}

async function listenOnAll(
  server: Server,
  address: ListenAddress & { kind: 'tcp' },
  options: ServerOpts,
  lookup: Lookup,
): Promise<Listening> {
  const found = isIP(address.host) === 0 ? await lookup(address.host) : [address.host];
  const hosts: string[] = [];
  const servers: Server[] = [];
  let { port } = address;
  for (const [index, host] of found.entries()) {
    const next = hosts.length === 0 ? server : createSibling(server, options);
    try {
      await open(next, { host, port });
    } catch (error) {
      const others = hosts.length + found.length - index - 1;
      if (others > 0 && isNotOfThisHost(host, error)) continue;
      await closeAll(server, servers);
      throw error;
    }
    servers.push(next);
    hosts.push(host);
    const bound = next.address();
    if (bound !== null && typeof bound === 'object') port = bound.port;
  }
  return {
    server,
    address: hostAndPort(address.host, port),
    hosts,
    close: () => closeAll(server, servers),
  };
}

async function lookupAll(name: string): Promise<string[]> {
  const found = await lookupName(name, { all: true });
  return [...new Set(found.map(({ address }) => address))];
}

/** /etc/hosts has `::1` also where IPv6 is off: nobody gets there, so that nobody is missed. */
function isNotOfThisHost(host: string, error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return isIP(host) === 6 && (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT');
}

/** One that hands its connections to `server`. */
function createSibling(server: Server, options: ServerOpts): Server {
  const sibling = createServer(options, (socket) => server.emit('connection', socket));
  if (server.maxConnections !== undefined) sibling.maxConnections = server.maxConnections;
  return sibling;
}

type Place = { host: string; port: number } | { path: string } | { fd: number };

function open(server: Server, place: Place): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...place, backlog: BACKLOG }, () => {
      server.off('error', reject);
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
 * Receives UDP on the addresses and the port of a TCP listener, as HAProxy's `log` line has it.
 *
 * @returns undefined for a listener that has no port of its own
 */
export async function listenForDatagrams(
  { server, hosts }: Listening,
  address: ListenAddress,
  onMessage: (message: Buffer) => void,
): Promise<{ close(): void } | undefined> {
  if (address.kind === 'fd' && address.datagrams !== undefined) {
    return receiveDatagrams(address.datagrams, onMessage);
  }
  const bound = server.address();
  if (hosts.length === 0 || bound === null || typeof bound === 'string') return undefined;
  const sockets: DatagramSocket[] = [];
  const close = (): void => {
    for (const socket of sockets) socket.close();
  };
  for (const host of hosts) {
    const type = isIP(host) === 6 ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: DATAGRAM_BUFFER });
    sockets.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        close();
        const where = hostAndPort(host, bound.port);
        reject(new Error(`cannot receive datagrams on ${where}: ${error.message}`));
      });
      socket.bind(bound.port, host, resolve);
    });
    socket.on('message', onMessage);
  }
  return { close };
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

function boundAddress(server: Server, address: ListenAddress): string {
  const bound = server.address();
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
