import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/** Of IPv4: a line for each connection, as seen from either end. */
const table = (): string => readFileSync('/proc/net/tcp', 'utf8');

const hex = (port = 0): string => port.toString(16).toUpperCase().padStart(4, '0');

/**
 * Bytes that the peer of a TCP connection on loopback has not read yet, by the kernel's table; undefined where it has no
 * such connection.
 */
export function unread({ localPort, remotePort }: Socket): number | undefined {
  const row = new RegExp(`:${hex(remotePort)} \\w+:${hex(localPort)} \\w+ \\w+:(\\w+)`);
  const [, bytes] = row.exec(table()) ?? [];
  return bytes === undefined ? undefined : Number.parseInt(bytes, 16);
}

/** Whether anybody has an open connection to this port: established, or closed by the other side only. */
export function hasConnectionTo(port: number): boolean {
  return new RegExp(` \\w+:\\w+ \\w+:${hex(port)} (?:01|08) `).test(table());
}

/** The sockets of connections to this port, at its end, as `/proc/PID/fd` names them. */
export function socketsOf(port: number): ReadonlySet<string> {
  const rows = table().matchAll(
    new RegExp(`\\d+: \\w+:${hex(port)} \\w+:\\w+ (?!0A)\\w+ (?:\\S+ +){5}(\\d+)`, 'g'),
  );
  return new Set([...rows].map(([, inode]) => `socket:[${inode}]`));
}
