import { spawnSync } from 'node:child_process';
import { BlockList, isIP } from 'node:net';
import { withoutBrackets } from '../endpoint.ts';
import {
  type AbstractAddress,
  formatAddress,
  isLoopback,
  type ListenAddress,
} from '../listen-address.ts';

/** Where a line of HAProxy leads to or listens. */
export type HaproxyAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | AbstractAddress
  | { readonly kind: 'other' };

/** Prefixes that add nothing to the address behind them; section 2.9. */
const PREFIX = /^(?:ipv[46]|tcp[46]?|udp[46]?|quic[46]|mptcp[46]?|stdp?)@/;

/** Host and port; an address with an empty host or `*` is any. A range counts as its first port. */
export function parseAddress(text: string): HaproxyAddress {
  const path =
    /^(?:unix@|uxst@)?(\/.*)$/.exec(text)?.[1] ?? /^(?:unix|uxst|uxdg)@(.*)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: 'unix', path };
  const [, unpadded, name] = /^abns(z?)@(.+)$/.exec(text) ?? [];
  if (name !== undefined) return { kind: 'abstract', name, padded: unpadded === '' };
  if (/^(fd|sockpair|rhttp|ring|lua)@/.test(text)) return { kind: 'other' };
  const plain = text.replace(PREFIX, '');
  const [, host, port] = /^(.*):(\d+)(?:-\d+)?$/.exec(plain) ?? [];
  return {
    kind: 'tcp',
    host: withoutBrackets(host ?? plain),
    port: Number(port ?? 0),
  };
}

const PRIVATE = new BlockList();
for (const [net, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const) {
  PRIVATE.addSubnet(net, bits, 'ipv4');
}
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');

/** Whether an address can be reached from beyond the own network; a name counts as one that cannot. */
export function isPublic(address: HaproxyAddress): boolean {
  if (address.kind !== 'tcp') return false;
  const { host } = address;
  if (['', '*', '0.0.0.0', '::'].includes(host)) return true;
  const family = isIP(host);
  return family !== 0 && !PRIVATE.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Whether HAProxy on this host gets to a listener of the agent by `address`. Of a name HAProxy uses the first
 * address, and the agent listens on all.
 *
 * @returns undefined where that is not known: the agent may be on another host, or its socket is inherited
 */
export function leadsTo(
  address: HaproxyAddress,
  listener: ListenAddress,
  lookup: Lookup = lookupAll,
): boolean | undefined {
  if (address.kind === 'other' || listener.kind === 'fd') return undefined;
  if (address.kind === 'unix') return listener.kind === 'unix' && listener.path === address.path;
  if (address.kind === 'abstract') return formatAddress(address) === formatAddress(listener);
  // Equal names need no lookup.
  if (listener.kind === 'tcp' && address.host === listener.host) {
    return address.port === listener.port;
  }
  const [target] = lookup(address.host);
  if (target === undefined) return undefined;
  const elsewhere = isLoopback(target) ? false : undefined;
  if (listener.kind !== 'tcp') return elsewhere;
  const hosts = lookup(listener.host);
  if (hosts.length === 0) return undefined;
  return hosts.some((host) => accepts(host, target)) ? address.port === listener.port : elsewhere;
}

/** Whether what is sent to `target` gets to a socket that is bound to `host`: `::` accepts IPv4 too. */
function accepts(host: string, target: string): boolean {
  const plain = withoutMapping(target);
  if (host === '::') return true;
  if (host === '0.0.0.0') return isIP(plain) === 4;
  return withoutMapping(host) === plain;
}

/** One way to write an address: IPv4 without `::ffff:`, IPv6 as a URL has it. */
function withoutMapping(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(plain) === 6 ? new URL(`http://[${plain}]`).hostname : plain;
}

/** Addresses of a name, in the order in which HAProxy sees them; none where that is not known. */
export type Lookup = (host: string) => readonly string[];

const found = new Map<string, readonly string[]>();

/** getaddrinfo(3) without flags, as HAProxy calls it; Node has only an asynchronous one. */
const ASK = `require('node:dns').lookup(process.argv[1], { all: true, verbatim: true }, (error, found = []) =>
  console.log(JSON.stringify(found.map(({ address }) => address))))`;

/** The timeout of a name lookup, in milliseconds. */
const TIMEOUT = 5_000;

function lookupAll(host: string): readonly string[] {
  if (isIP(host) !== 0) return [host];
  if (host === '' || host === '*') return [];
  const known = found.get(host);
  if (known !== undefined) return known;
  const { stdout, status } = spawnSync(process.execPath, ['-e', ASK, host], {
    encoding: 'utf8',
    timeout: TIMEOUT,
  });
  const addresses: string[] = status === 0 ? JSON.parse(stdout) : [];
  found.set(host, addresses);
  return addresses;
}

/** The address of a listener of the agent in HAProxy's configuration on this host. */
export function haproxyAddress(listener: ListenAddress): string {
  if (listener.kind === 'unix') return `unix@${listener.path}`;
  if (listener.kind === 'tcp' && listener.host === '0.0.0.0') return `127.0.0.1:${listener.port}`;
  if (listener.kind === 'tcp' && listener.host === '::') return `[::1]:${listener.port}`;
  return formatAddress(listener);
}
