import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { listenForDatagrams } from '../src/datagrams.ts';
import { freePort } from '../src/demo/ports.ts';
import { type Listening, listen } from '../src/listen.ts';
import { isLoopback, type ListenAddress, socketPath } from '../src/listen-address.ts';
import { address, tcp } from '../src/settings.ts';
import { checkSpop } from '../src/verify/spop-check.ts';
import { until } from './agent-process.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** As /etc/hosts of most distributions has localhost. */
const both = async (): Promise<string[]> => ['::1', '127.0.0.1'];

async function start(
  port: number,
  lookup = both,
): Promise<{ listening: Listening; peers: (string | undefined)[] }> {
  const peers: (string | undefined)[] = [];
  const server = createServer((socket) => {
    peers.push(socket.localAddress);
    socket.destroy();
  });
  const listening = await listen(server, tcp('localhost', port), {}, lookup);
  ends.push(listening.close);
  return { listening, peers };
}

function connects(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });
}

async function occupy(port: number, host: string): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  ends.push(() => server.close());
  return server;
}

test('a name is bound on every address that it has, and closed on every one', async () => {
  const { listening, peers } = await start(0);
  const port = Number(/^localhost:(\d+)$/.exec(listening.address)?.[1]);
  expect(listening.hosts).toEqual(['::1', '127.0.0.1']);
  expect(await connects(port, '127.0.0.1')).toBe(true);
  expect(await connects(port, '::1')).toBe(true);
  await until('both connections', () => peers.length === 2);
  expect(peers.sort()).toEqual(['127.0.0.1', '::1']);
  await listening.close();
  expect(await connects(port, '127.0.0.1')).toBe(false);
  expect(await connects(port, '::1')).toBe(false);
});

test('datagrams too', async () => {
  const { listening } = await start(0);
  const port = Number(listening.address.split(':')[1]);
  const received: string[] = [];
  const datagrams = await listenForDatagrams(listening, tcp('localhost', port), (message) =>
    received.push(String(message)),
  );
  ends.push(() => datagrams?.close());
  for (const [type, host] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const socket = createSocket(type);
    socket.send(host, port, host, () => socket.close());
  }
  await until('both datagrams', () => received.length === 2);
  expect(received.sort()).toEqual(['127.0.0.1', '::1']);
});

test.each(['::1', '127.0.0.1'])('nothing listens where %s is in use', async (host) => {
  const port = await freePort();
  await occupy(port, host);
  await expect(start(port)).rejects.toThrow(
    `cannot listen on localhost:${port}: listen EADDRINUSE: address already in use ${host}:${port}`,
  );
  expect(await connects(port, host === '::1' ? '127.0.0.1' : '::1')).toBe(false);
});

test('an IPv6 address that this host does not have is passed over, beside one that it has', async () => {
  const { listening } = await start(0, async () => ['2001:db8::1', '127.0.0.1']);
  expect(listening.hosts).toEqual(['127.0.0.1']);
  await expect(start(0, async () => ['2001:db8::1'])).rejects.toThrow('EADDRNOTAVAIL');
  await expect(start(0, async () => ['127.0.0.1', '192.0.2.1'])).rejects.toThrow('EADDRNOTAVAIL');
});

test('a name that nobody knows', async () => {
  const server = createServer();
  await expect(listen(server, tcp('agent.invalid', 1))).rejects.toThrow(
    /^cannot listen on agent\.invalid:1: getaddrinfo E/,
  );
});

const LEAVES_NAMES = Number.parseInt(process.versions.node, 10) >= 22;

/** Names of sockets as the kernel has them, zeros as `@`. */
function namesOfSockets(part: string): string[] {
  const lines = readFileSync('/proc/net/unix', 'latin1').split('\n');
  return lines.flatMap((line) => (line.includes(part) ? [line.slice(line.indexOf('@'))] : []));
}

async function startAbstract(text: string): Promise<Listening> {
  const server = createServer((socket) => void socket.once('data', () => socket.end()));
  const listening = await listen(server, address.parse(text) as ListenAddress);
  ends.push(listening.close);
  return listening;
}

test('abns@ is the name that HAProxy pads, whatever Node does by itself', async () => {
  const name = `otel-test-${process.pid}-padded`;
  const listening = await startAbstract(`abns@${name}`);
  expect(listening.address).toBe(`abns@${name}`);
  expect(namesOfSockets(name)).toEqual([`@${name}`.padEnd(108, '@')]);
  await expect(startAbstract(`abns@${name}`)).rejects.toThrow(
    `cannot listen on abns@${name}: listen EADDRINUSE`,
  );
  await expect(checkSpop(address.parse(`abns@${name}`) as ListenAddress)).rejects.toThrow(
    'it closes the connection without an answer',
  );
  await expect(checkSpop(address.parse(`abns@${name}-not`) as ListenAddress)).rejects.toThrow(
    'ECONNREFUSED',
  );
});

test.runIf(LEAVES_NAMES)('abnsz@ is the name alone', async () => {
  const name = `otel-test-${process.pid}-plain`;
  expect((await startAbstract(`abnsz@${name}`)).address).toBe(`abnsz@${name}`);
  expect(namesOfSockets(name)).toEqual([`@${name}`]);
});

test.skipIf(LEAVES_NAMES)('abnsz@ is refused where Node would pad the name', async () => {
  await expect(startAbstract('abnsz@otel-test')).rejects.toThrow(
    /^cannot listen on abnsz@otel-test: Node\.js 20\.\S+ pads the name: 22 or later is needed, or abns@$/,
  );
});

test.each([
  ['abns@a', `\0a${'\0'.repeat(106)}`],
  [`abns@${'a'.repeat(107)}`, `\0${'a'.repeat(107)}`],
  ['unix:/a', '/a'],
])('what node:net knows %s by', (text, path) => {
  const parsed = address.parse(text) as Parameters<typeof socketPath>[0];
  expect(socketPath(parsed)).toBe(path);
});

test.each(['abns@', `abns@${'a'.repeat(108)}`, 'abns@a b', 'abns@a"', 'abns@$a', 'abnsx@a'])(
  '%s is no address',
  (text) => expect(address.parse(text)).toBeUndefined(),
);

test.each([
  ['127.8.9.1', true],
  ['::1', true],
  ['0:0:0:0:0:0:0:1', true],
  ['::ffff:127.0.0.1', true],
  ['::ffff:7f00:1', true],
  ['localhost', true],
  ['::', false],
  ['10.0.0.1', false],
  ['127.example.com', false],
])('only this host reaches %s: %s', (host, only) => {
  expect(isLoopback(host)).toBe(only);
});

test('a path of a socket where no file can be', async () => {
  const path = '/sys/haproxy-otel.sock';
  await expect(listen(createServer(), { kind: 'unix', path })).rejects.toThrow(
    /this user cannot write to \/sys \(E(ACCES|PERM|ROFS)\): a path in a folder that this user can write to/,
  );
});

test('a path of a socket is as long as the kernel has room for, and no longer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-listen-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const longest = join(folder, 'a'.repeat(105 - folder.length));
  const { close } = await listen(createServer(), { kind: 'unix', path: longest });
  expect(existsSync(longest)).toBe(true);
  await close();
  await expect(listen(createServer(), { kind: 'unix', path: `${longest}a` })).rejects.toThrow(
    'its path has 107 bytes: at most 106 are accepted',
  );
});

test('who connects again and again does not hold up the end', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'haproxy-otel-listen-')), 'flood.sock');
  ends.push(() => rmSync(dirname(path), { recursive: true }));
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    socket.destroy();
  });
  const { close } = await listen(server, { kind: 'unix', path });
  let state: 'flooding' | 'over' = 'flooding';
  const again = (): void => {
    if (state === 'over') return;
    const socket = connect(path);
    socket.once('connect', again).once('error', () => {});
    socket.once('connect', () => socket.destroy());
  };
  for (let peers = 0; peers < 64; peers += 1) again();
  await until('the flood', () => accepted > 100);
  const before = accepted;
  await close();
  state = 'over';
  // What can have waited, and one more turn.
  expect(accepted - before).toBeLessThanOrEqual(4_096 + 1_024);
});
