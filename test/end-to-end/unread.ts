import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/**
 * Bytes that the peer of a TCP connection on loopback has not read yet, by the kernel's table; undefined where it has no
 * such connection.
 */
export function unread({ localPort, remotePort }: Socket): number | undefined {
  const port = (number = 0): string => number.toString(16).toUpperCase().padStart(4, '0');
  const row = new RegExp(`:${port(remotePort)} \\w+:${port(localPort)} \\w+ \\w+:(\\w+)`);
  const [, bytes] = row.exec(readFileSync('/proc/net/tcp', 'utf8')) ?? [];
  return bytes === undefined ? undefined : Number.parseInt(bytes, 16);
}
