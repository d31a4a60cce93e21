import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { freePort } from '../../src/demo/ports.ts';
import { inheritedSockets } from '../../src/systemd/sockets.ts';
import { AgentProcess, until } from '../agent-process.ts';
import { OtlpReceiver } from '../otlp-receiver.ts';
import { hopOf, octetCounted, recordLine } from '../records/lines.ts';
import { decodeAgentFrames, hello, notify } from '../spop/frames.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe('the environment of handed-over sockets', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'records:spop:records-datagram' };

  test('names descriptors from 3 on', () => {
    expect(inheritedSockets(env, 7)).toEqual({ records: 3, spop: 4, 'records-datagram': 5 });
  });

  test('of another process is not ours', () => {
    expect(inheritedSockets(env, 8)).toEqual({});
    expect(inheritedSockets({}, 8)).toEqual({});
  });

  test.each([
    ['unknown:spop', 'LISTEN_FDNAMES has "unknown": one of spop, records'],
    ['spop:spop', 'LISTEN_FDNAMES has "spop" twice'],
    ['spop', 'LISTEN_FDNAMES has ""'],
    ['spop:records-datagram', '"records-datagram" without "records"'],
  ])('with the names %s is refused', (names, message) => {
    expect(() => inheritedSockets({ ...env, LISTEN_FDS: '2', LISTEN_FDNAMES: names }, 7)).toThrow(
      message,
    );
  });
});

/** One connection as HAProxy's: resolves with whether a request was answered. @throws the system's error */
async function ask(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (decodeAgentFrames(Buffer.concat(chunks)).length >= 2) socket.destroy();
  });
  socket.write(Buffer.concat([hello(), notify(1, 1, [['mint', []]])]));
  const [error] = await Promise.race([
    once(socket, 'close').then(() => []),
    new Promise<[NodeJS.ErrnoException]>((resolve) =>
      socket.once('error', (reason) => resolve([reason])),
    ),
  ]);
  // A connection that was open as the agent stopped may be reset; nobody may be refused.
  if (error?.code === 'ECONNREFUSED') throw error;
  return decodeAgentFrames(Buffer.concat(chunks)).some(({ type }) => type === 103);
}

test('all three sockets are inherited, records come as datagrams too', async () => {
  const receiver = await OtlpReceiver.start();
  ends.push(() => receiver.stop());
  const spop = createServer();
  const records = createServer();
  const datagrams = createSocket('udp4');
  for (const server of [spop, records]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }
  await new Promise<void>((resolve) => datagrams.bind(0, '127.0.0.1', resolve));
  const portOf = (socket: { address(): unknown }): number =>
    (socket.address() as { port: number }).port;
  const ports = { spop: portOf(spop), records: portOf(records), datagrams: portOf(datagrams) };
  const agent = await AgentProcess.start(
    {
      LISTEN_FDNAMES: 'spop:records:records-datagram',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '20',
      HAPROXY_OTEL_SPOP: '127.0.0.1:1',
    },
    [spop, records, datagrams].map(descriptorOf),
  );
  ends.push(() => agent.end('SIGKILL'));
  // Now they are the agent's alone.
  for (const socket of [spop, records, datagrams]) socket.close();
  expect(agent.logged('ready')).toMatchObject({
    spop: `127.0.0.1:${ports.spop}`,
    records: `127.0.0.1:${ports.records}`,
  });
  expect(agent.logged('setting is not used: systemd handed a socket over')).toMatchObject({
    setting: 'HAPROXY_OTEL_SPOP',
  });
  expect(await ask(ports.spop)).toBe(true);
  const ring = connect(ports.records, '127.0.0.1');
  ends.push(() => ring.destroy());
  ring.write(octetCounted(recordLine(hopOf(1))));
  await until('the spans of the ring', () => receiver.spans.length === 2);
  const sender = createSocket('udp4');
  ends.push(() => sender.close());
  const line = recordLine(hopOf(2), { stopping: 1 });
  sender.send(line, ports.datagrams, '127.0.0.1');
  await until('the spans of the datagram', () => receiver.spans.length === 4);
  expect(receiver.spans[2]?.traceId).toBe(hopOf(2).slice(0, 32));
  expect(await agent.end()).toBe(0);
});

/** Node has no public name for it. */
function descriptorOf(socket: unknown): number {
  return (socket as { _handle: { fd: number } })._handle.fd;
}

/** What systemd does in small: holds the sockets open, and starts the agent whenever there is none. */
const KEEPER = `
while :; do
    sh -c 'LISTEN_PID=$$ exec "$0" "$@"' "$@"
done
`;

test('through systemd-socket-activate, a restart under load refuses no connection', async () => {
  const [spop, records] = [await freePort(), await freePort()];
  const keeper: ChildProcess = spawn(
    'systemd-socket-activate',
    [
      ...['-l', `127.0.0.1:${spop}`, '-l', `127.0.0.1:${records}`, '--fdname=spop:records'],
      ...['-E', 'OTEL_TRACES_EXPORTER=none'],
      ...['sh', '-c', KEEPER, 'keeper', process.execPath, join(PACKAGE_ROOT, 'dist/main.js')],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  // The holder of the sockets and its current agent.
  ends.push(() => process.kill(-(keeper.pid ?? 0), 'SIGKILL'));
  let text = '';
  keeper.stderr?.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  await until('the sockets', () => text.includes(`Listening on 127.0.0.1:${records}`));
  const started = (): { pid: number }[] =>
    [...text.matchAll(/^\{.*"msg":"ready"\}$/gm)].map(([line]) => JSON.parse(line));
  expect(started()).toEqual([]);
  expect(await ask(spop)).toBe(true);
  await until('the first agent', () => started().length === 1);

  let [answered, cut] = [0, 0];
  let running = true;
  const clients = Array.from({ length: 8 }, async () => {
    while (running) {
      if (await ask(spop)) answered += 1;
      else cut += 1;
    }
  });
  for (let restarts = 1; restarts <= 3; restarts += 1) {
    const before = answered;
    await until('answers', () => answered >= before + 50);
    process.kill(Number(started().at(-1)?.pid), 'SIGTERM');
    await until('the next agent', () => started().length === restarts + 1);
  }
  const before = answered;
  await until('answers', () => answered >= before + 50);
  running = false;
  await Promise.all(clients);
  // Connections that were open as an agent stopped: at most each client's, each time.
  expect(cut).toBeLessThanOrEqual(3 * 8);
});
