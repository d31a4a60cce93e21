import { BlockList, isIP } from 'node:net';
import { hostAndPort } from './endpoint.ts';

/**
 * Where a listener stands: `host:port`, `unix:/path`, `abns@name` or `abnsz@name` for a socket that has a name in the
 * network namespace and no file, or `fd:N` for an inherited socket.
 */
export type ListenAddress =
  | ({ readonly kind: 'tcp'; readonly host: string; readonly port: number } & Inheriting)
  | ({ readonly kind: 'unix'; readonly path: string } & Inheriting)
  | AbstractAddress
  | {
      readonly kind: 'fd';
      readonly fd: number;
      /** The descriptor of a socket for datagrams that came with it. */
      readonly datagrams?: number | undefined;
    };

/** An abstract unix socket, as HAProxy writes it: `abns@` pads the name with zeros, `abnsz@` (3.1 on) does not. */
export type AbstractAddress = {
  readonly kind: 'abstract';
  readonly name: string;
  readonly padded: boolean;
} & Inheriting;

/** A socket that another process of the agent opened. */
export type InheritedSocket = {
  readonly type: 'listener' | 'datagrams';
  /** An address of the listener's name, where it has any. */
  readonly host: string | undefined;
  readonly fd: number;
};

type Inheriting = { readonly inherited?: readonly InheritedSocket[] };

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only this host reaches `host`: a name or an address without port, brackets left out. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host === 'localhost';
  return LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether another process listens there too, until it releases the sockets. */
export function isInherited(address: ListenAddress): boolean {
  return address.kind === 'fd' || address.inherited !== undefined;
}

export function formatAddress(address: ListenAddress): string {
  switch (address.kind) {
    case 'tcp':
      return hostAndPort(address.host, address.port);
    case 'unix':
      return `unix:${address.path}`;
    case 'abstract':
      return `${address.padded ? 'abns' : 'abnsz'}@${address.name}`;
    case 'fd':
      return `fd:${address.fd}`;
    default:
      return address satisfies never;
  }
}

/** Bytes of `sun_path`, which an abstract name begins with a zero in. */
const SUN_PATH = 108;
/** The first Node that does not pad an abstract name by itself. */
const LEAVES_NAMES = 22;

/**
 * The path of a unix socket for `node:net`.
 *
 * @throws Error for a name that this Node would pad
 */
export function socketPath(address: ListenAddress & { kind: 'unix' | 'abstract' }): string {
  if (address.kind === 'unix') return address.path;
  if (address.padded) return `\0${address.name}`.padEnd(SUN_PATH, '\0');
  if (Number.parseInt(process.versions.node, 10) >= LEAVES_NAMES) return `\0${address.name}`;
  throw new Error(
    `Node.js ${process.versions.node} pads the name: ${LEAVES_NAMES} or later is needed, or abns@`,
  );
}
