import { BlockList, isIP } from 'node:net';
import { formatAddress, isLoopback, type ListenAddress } from '../listen.ts';

/** Where a line of HAProxy leads to or listens. */
export type HaproxyAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'other' };

/** Prefixes that say nothing else than the address behind them does; section 2.9. */
const PREFIX = /^(?:ipv[46]|tcp[46]?|udp[46]?|quic[46]|mptcp[46]?|stdp?)@/;

/** Host and port; an address with an empty host or `*` is any. A range counts as its first port. */
export function parseAddress(text: string): HaproxyAddress {
  const path =
    /^(?:unix@|uxst@)?(\/.*)$/.exec(text)?.[1] ?? /^(?:unix|uxst|uxdg)@(.*)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: 'unix', path };
  if (/^(fd|sockpair|abnsz?|rhttp|ring|lua)@/.test(text)) return { kind: 'other' };
  const plain = text.replace(PREFIX, '');
  const [, host, port] = /^(.*):(\d+)(?:-\d+)?$/.exec(plain) ?? [];
  return {
    kind: 'tcp',
    host: (host ?? plain).replace(/^\[(.*)\]$/, '$1'),
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

/** Whether others than the own network may reach an address: a name may be anything, and is not. */
export function isPublic(address: HaproxyAddress): boolean {
  if (address.kind !== 'tcp') return false;
  const { host } = address;
  if (['', '*', '0.0.0.0', '::'].includes(host)) return true;
  const family = isIP(host);
  return family !== 0 && !PRIVATE.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

const ANY = /^(0\.0\.0\.0|::)$/;

/**
 * Whether HAProxy on this host gets to a listener of the agent by `address`.
 *
 * @returns undefined where that cannot be told: the agent may be on another host, or has its socket from elsewhere
 */
export function leadsTo(address: HaproxyAddress, listener: ListenAddress): boolean | undefined {
  if (address.kind === 'other' || listener.kind === 'fd') return undefined;
  if (address.kind === 'unix') return listener.kind === 'unix' && listener.path === address.path;
  if (listener.kind === 'unix') return isLoopback(address.host) ? false : undefined;
  const samePlace =
    address.host === listener.host ||
    ANY.test(listener.host) ||
    (isLoopback(address.host) && isLoopback(listener.host));
  if (samePlace) return address.port === listener.port;
  return isLoopback(address.host) ? false : undefined;
}

/** How HAProxy on this host is told where a listener of the agent is. */
export function haproxyAddress(listener: ListenAddress): string {
  if (listener.kind === 'unix') return `unix@${listener.path}`;
  if (listener.kind === 'tcp' && listener.host === '0.0.0.0') return `127.0.0.1:${listener.port}`;
  if (listener.kind === 'tcp' && listener.host === '::') return `[::1]:${listener.port}`;
  return formatAddress(listener);
}
