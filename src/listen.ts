import { lookup as lookupName } from 'node:dns/promises';
import { closeSync, rmSync } from 'node:fs';
import { createServer, isIP, type Server, type ServerOpts } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { descriptorOf } from './descriptors.ts';
import { hostAndPort } from './endpoint.ts';
import { errorText } from './error-text.ts';
import {
  formatAddress,
  type InheritedSocket,
  type ListenAddress,
  socketPath,
} from './listen-address.ts';
import { openPath, pathFault } from './socket-file.ts';

/** A reload of HAProxy opens all its connections at once. */
const BACKLOG = 4096;

/** A server that listens, and those that stand beside it on the other addresses of its name. */
export type Listening = {
  /** Has the connections of all. */
  readonly server: Server;
  /** As it is written in settings; the port is the one really bound. */
  readonly address: string;
  /** What is bound, without port: empty for a socket that has none, or that is inherited. */
  readonly hosts: readonly string[];
  /** The sockets that listen. @throws Error where Node does not have their descriptors */
  readonly sockets: () => InheritedSocket[];
  /** Accepts the connections that are established already, and then no more. */
  readonly close: () => Promise<void>;
  /** Accepts nobody any more: another process has the same sockets, and who has connected. */
  readonly release: () => void;
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
  const inherited = inheritedFor(address);
  try {
    if (address.kind === 'tcp') return await listenOnAll(server, address, options, lookup);
    if (inherited !== undefined) await open(server, { fd: inherited });
    else if (address.kind === 'unix')
      await openPath(address.path, (path) => open(server, { path }));
    else if (address.kind === 'abstract') await open(server, { path: socketPath(address) });
  } catch (error) {
    const reason = address.kind === 'unix' ? pathFault(address.path, error) : errorText(error);
    throw new Error(`cannot listen on ${formatAddress(address)}: ${reason}`, { cause: error });
  }
  const path = address.kind === 'unix' ? address.path : undefined;
  return listeningOn(server, boundAddress(server, address), [{ server, host: undefined }], path);
}

/**
 * As `listen`, for what a setting has.
 *
 * @param setting its name, which the message of an error begins with
 */
export async function listenFor(
  setting: string,
  ...args: Parameters<typeof listen>
): Promise<Listening> {
  try {
    return await listen(...args);
  } catch (error) {
    const { cause } = error as Error;
    throw new Error(`${setting}: ${errorText(error)}`, { cause });
  }
}

function inheritedFor(address: ListenAddress, host?: string): number | undefined {
  if (address.kind === 'fd') return address.fd;
  return address.inherited?.find((socket) => socket.type === 'listener' && socket.host === host)
    ?.fd;
}

type Bound = { readonly server: Server; readonly host: string | undefined };

/** @param path a file of the socket's own */
function listeningOn(
  server: Server,
  address: string,
  bound: readonly Bound[],
  path?: string,
): Listening {
  let state: 'open' | 'closed' = 'open';
  return {
    server,
    address,
    hosts: bound.flatMap(({ host }) => host ?? []),
    sockets: () =>
      bound.map((each) => ({
        type: 'listener',
        host: each.host,
        fd: descriptorOf(each.server),
      })),
    close: async () => {
      if (state === 'closed') return;
      state = 'closed';
      await closeAll(
        server,
        bound.map((each) => each.server),
      );
      if (path !== undefined) rmSync(path, { force: true });
    },
    release: () => {
      state = 'closed';
      for (const each of bound) each.server.close();
    },
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
  // No more can have waited: who goes on connecting does not hold up the end.
  let left = BACKLOG * servers.length;
  do {
    accepted = 0;
    // The first ends the turn of the event loop that is under way; in the next one all servers may accept.
    await setImmediate();
    await setImmediate();
    left -= accepted;
  } while (accepted > 0 && left > 0);
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
  const bound: Bound[] = [];
  let { port } = address;
  for (const [index, host] of found.entries()) {
    const next = bound.length === 0 ? server : createSibling(server, options);
    const fd = inheritedFor(address, host);
    try {
      await open(next, fd === undefined ? { host, port } : { fd });
    } catch (error) {
      const others = bound.length + found.length - index - 1;
      if (others > 0 && isNotOfThisHost(host, error)) continue;
      await closeAll(
        server,
        bound.map((each) => each.server),
      );
      throw error;
    }
    bound.push({ server: next, host });
    const bind = next.address();
    if (bind !== null && typeof bind === 'object') port = bind.port;
  }
  // The name has lost an address.
  for (const { type, host, fd } of address.inherited ?? []) {
    if (type === 'listener' && !bound.some((each) => each.host === host)) closeSync(fd);
  }
  return listeningOn(server, hostAndPort(address.host, port), bound);
}

async function lookupAll(name: string): Promise<string[]> {
  const found = await lookupName(name, { all: true });
  return [...new Set(found.map(({ address }) => address))];
}

/** /etc/hosts has `::1` even where IPv6 is off: nobody can connect to it, so that it may be left out. */
function isNotOfThisHost(host: string, error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return isIP(host) === 6 && (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT');
}

/** A server that passes its connections to `server`. */
function createSibling(server: Server, options: ServerOpts): Server {
  const sibling = createServer(options, (socket) => server.emit('connection', socket));
  if (server.maxConnections !== undefined) sibling.maxConnections = server.maxConnections;
  return sibling;
}

type BindOptions = { host: string; port: number } | { path: string } | { fd: number };

function open(server: Server, bind: BindOptions): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...bind, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether `listen` failed because the address is in use. */
export function isAddressInUse(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
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
