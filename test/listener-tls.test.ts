import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';
import { ListenerTls } from '../src/listener-tls.ts';
import { AgentProcess, until } from './agent-process.ts';
import { createAuthority } from './telemetry/authority.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-listener-'));
const file = (name: string): string => join(folder, name);
const FILES = { certificate: file('agent.pem'), key: file('agent.key'), clientCa: file('ca.pem') };
const OTHER_HOST = '192.0.2.7';

let friend: { cert: string; key: string };
let ca: string;
beforeAll(async () => {
  const { authority, issue } = await createAuthority();
  const [agent, haproxy] = await Promise.all([issue('agent'), issue('haproxy')]);
  ca = authority;
  friend = { cert: haproxy.cert, key: haproxy.private };
  writeFileSync(FILES.certificate, agent.cert);
  writeFileSync(FILES.key, agent.private);
  writeFileSync(FILES.clientCa, ca);
});
afterAll(() => rmSync(folder, { recursive: true }));

const sockets: Socket[] = [];
let server: Server;
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

/** A listener whose peers come from `address`, as they would from another host. */
async function listen(
  address: string | undefined,
  connectionsOfPeer: number,
  handshakeTimeout = 60_000,
): Promise<{ port: number; accepted: Socket[]; refused: string[] }> {
  const accepted: Socket[] = [];
  const refused: string[] = [];
  const tls = new ListenerTls(
    FILES,
    { handshakeTimeout, connectionsOfPeer },
    {
      onConnection: (socket) => accepted.push(socket.resume()),
      onRefused: (peer, reason) => refused.push(`${peer} ${reason}`),
    },
  );
  server = createServer((raw) => {
    sockets.push(raw.on('error', () => {}));
    if (address !== undefined) Object.defineProperty(raw, 'remoteAddress', { value: address });
    tls.accept(raw);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return { port: bound.port, accepted, refused };
}

async function listenLocally(): Promise<{ path: string; accepted: Socket[] }> {
  const accepted: Socket[] = [];
  const events = { onConnection: (socket: Socket) => accepted.push(socket), onRefused: () => {} };
  const tls = new ListenerTls(FILES, { handshakeTimeout: 60_000, connectionsOfPeer: 1 }, events);
  const path = file('local.sock');
  server = createServer((raw) => {
    sockets.push(raw);
    tls.accept(raw);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { path, accepted };
}

const silent = (port: number): Socket => {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  sockets.push(socket);
  return socket;
};

function secure(port: number): void {
  const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca, ...friend });
  sockets.push(socket.on('error', () => {}));
}

test('one address of another host has so many connections at a time', async () => {
  const { port, refused } = await listen(OTHER_HOST, 2);
  const first = silent(port);
  silent(port);
  await until('both', () => sockets.length === 4);
  const third = silent(port);
  await new Promise((resolve) => third.once('close', resolve).resume());
  expect(refused).toHaveLength(1);
  expect(refused[0]).toMatch(/^192\.0\.2\.7:\d+ it has 2 connections already$/);
  const [raw] = sockets.filter((socket) => socket.remotePort === first.localPort);
  first.destroy();
  await until('it to be closed', () => raw?.destroyed);
  const before = sockets.length;
  silent(port);
  await until('another', () => sockets.length === before + 2);
  expect(refused).toHaveLength(1);
});

test('this host has as many as it opens', async () => {
  const { port, accepted, refused } = await listen(undefined, 2);
  for (let i = 0; i < 5; i += 1) secure(port);
  await until('all of them', () => accepted.length === 5);
  expect(refused).toEqual([]);
});

test('a unix socket has no TLS, as only this host reaches it', async () => {
  const { path, accepted } = await listenLocally();
  for (let i = 0; i < 2; i += 1) sockets.push(connect(path).on('error', () => {}));
  await until('both', () => accepted.length === 2);
});

test.each([
  [{ certificate: 'ca.key' }, /ca\.key/],
  [{ certificate: 'agent.key' }, /agent\.key is not a certificate in PEM format/],
  [{ certificate: 'ca.pem' }, /are no certificate with its key/],
])('%j cannot be used', (changes, message) => {
  const files = Object.fromEntries(
    Object.entries({ ...FILES, ...changes }).map(([name, path]) => [
      name,
      path.startsWith(folder) ? path : file(path),
    ]),
  ) as typeof FILES;
  const events = { onConnection: () => {}, onRefused: () => {} };
  const limits = { handshakeTimeout: 1, connectionsOfPeer: 1 };
  expect(() => new ListenerTls(files, limits, events)).toThrow(message);
});

test('all three settings or none', () => {
  const env = { HAPROXY_OTEL_TLS_KEY: FILES.key };
  expect(() => loadConfig(env)).toThrow(
    'HAPROXY_OTEL_TLS_KEY is set: HAPROXY_OTEL_TLS_CERTIFICATE and HAPROXY_OTEL_TLS_CLIENT_CA have to be, too',
  );
  expect(() => loadConfig({ HAPROXY_OTEL_TLS_KEY: '/nowhere' })).toThrow('HAPROXY_OTEL_TLS_KEY');
});

test('a socket that other hosts reach is refused when it is handed over, too', async () => {
  const exposed = createServer();
  await new Promise<void>((resolve) => exposed.listen(0, '0.0.0.0', resolve));
  const { fd } = (exposed as unknown as { _handle: { fd: number } })._handle;
  const env = {
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    LISTEN_FDNAMES: 'spop',
  };
  await expect(AgentProcess.start(env, [fd])).rejects.toThrow(
    /HAPROXY_OTEL_SPOP is \\?"0\.0\.0\.0:\d+\\?": beyond loopback/,
  );
  exposed.close();
});

test('handshakes that are not ended make room for others', async () => {
  const { port, accepted } = await listen(undefined, 1, 600_000);
  const first = silent(port);
  const closed = new Promise((resolve) => first.once('close', resolve).resume());
  for (let opened = 1; opened <= 1_024; opened += 128) {
    for (let i = 0; i < 128; i += 1) silent(port);
    // Both ends: the kernel lets no more than some hundred wait.
    await until('them', () => sockets.length === 2 * (opened + 128));
  }
  secure(port);
  await closed;
  await until('the one that is secure', () => accepted.length === 1);
});
