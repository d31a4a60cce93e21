import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { freePort } from '../../src/demo/ports.ts';
import { descriptorOf } from '../../src/descriptors.ts';
import { AgentProcess, until } from '../agent-process.ts';
import { OtlpReceiver } from '../otlp-receiver.ts';
import { hopOf, octetCounted, recordLine } from '../records/lines.ts';
import { decodeAgentFrames, hello, notify } from '../spop/frames.ts';
import { Supervisor } from '../systemd/supervisor.ts';
import { isRunning, UpgradingAgent } from './upgrading-agent.ts';

/** How many upgrades are to leave no descriptor behind. */
const UPGRADES = Number(process.env.UPGRADES ?? 2);

const MAIN = join(PACKAGE_ROOT, 'dist/main.js');

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-upgrade-'));
const settings = join(folder, 'settings.env');
const recordsPath = join(folder, 'records.sock');
let receiver: OtlpReceiver;
let supervisor: Supervisor;
let agent: UpgradingAgent;
let spopPort: number;
let asked = 0;

function set(line: string, admin = 'HAPROXY_OTEL_ADMIN=127.0.0.1:0'): void {
  writeFileSync(settings, `${line}\n${admin}\n`);
}

/**
 * Starts an upgrade whose successor waits for its settings, until what is returned writes them.
 *
 * @returns the successor's pid, too
 */
async function holdUpgrade(): Promise<{ successor: number; goOn: () => Promise<void> }> {
  const before = agent.logged('upgrading').length;
  const text = readFileSync(settings);
  rmSync(settings);
  execFileSync('mkfifo', [settings]);
  onTestFinished(() => {
    rmSync(settings);
    writeFileSync(settings, text);
  });
  process.kill(agent.pid, 'SIGUSR2');
  const upgrading = await until('the upgrade', () => agent.logged('upgrading')[before]);
  return {
    successor: Number(upgrading.successor),
    goOn: () => writeFile(settings, text),
  };
}

/** A connection as HAProxy's. */
class Asking {
  readonly socket: Socket;
  private bytes = Buffer.alloc(0);
  closed = false;

  constructor(port = spopPort) {
    this.socket = connect(port, '127.0.0.1').setNoDelay(true);
    this.socket.on('data', (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
    });
    this.socket.once('close', () => {
      this.closed = true;
    });
    this.socket.on('error', () => {});
  }

  async hello(): Promise<this> {
    this.socket.write(hello());
    await this.frames(1);
    return this;
  }

  /** Writes one question in two parts, with `between` in between, and waits for the answer. */
  async ask(between?: () => Promise<unknown>): Promise<void> {
    asked += 1;
    const question = notify(asked, 1, [['mint', []]]);
    this.socket.write(question.subarray(0, 9));
    await between?.();
    this.socket.write(question.subarray(9));
    const frame = await until('the ACK', () =>
      decodeAgentFrames(this.bytes).find(
        ({ type, streamId }) => type === 103 && streamId === asked,
      ),
    );
    expect(frame.actions.length).toBeGreaterThan(0);
  }

  private async frames(count: number): Promise<void> {
    await until(`${count} frames`, () => decodeAgentFrames(this.bytes).length >= count);
  }
}

async function hopsOf(...indices: number[]): Promise<void> {
  for (const index of indices) {
    const traceId = hopOf(index).slice(0, 32);
    await until(`hop ${index}`, () => receiver.spans.some((span) => span.traceId === traceId));
    // Its SERVER and its CLIENT span.
    expect(receiver.spans.filter((span) => span.traceId === traceId)).toHaveLength(2);
  }
}

beforeAll(async () => {
  receiver = await OtlpReceiver.start();
  supervisor = await Supervisor.start(join(folder, 'notify'));
  spopPort = await freePort();
  set('OTEL_SERVICE_NAME=first');
  const first = await AgentProcess.start({
    HAPROXY_OTEL_CONFIG: settings,
    HAPROXY_OTEL_SPOP: `localhost:${spopPort}`,
    HAPROXY_OTEL_RECORDS: `unix:${recordsPath}`,
    HAPROXY_OTEL_ADMIN: '',
    HAPROXY_OTEL_HELLO_TIMEOUT: '60000',
    NOTIFY_SOCKET: supervisor.socket,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '20',
  });
  agent = new UpgradingAgent(first);
});

afterAll(async () => {
  await agent?.end('SIGKILL');
  await supervisor?.end();
  receiver?.stop();
  rmSync(folder, { recursive: true });
});

test('a successor reads on in the middle of a frame and of a record, and HAProxy notices nothing', async () => {
  const asking = await new Asking().hello();
  await asking.ask();
  const silent = new Asking();
  const counted = connect(recordsPath);
  const lines = connect(recordsPath);
  const fresh = connect(recordsPath);
  const record = Buffer.from(octetCounted(recordLine(hopOf(2))));
  const line = Buffer.from(`${recordLine(hopOf(4))}\n`);
  counted.write(octetCounted(recordLine(hopOf(1))));
  counted.write(record.subarray(0, 2));
  lines.write(`${recordLine(hopOf(3))}\n`);
  lines.write(line.subarray(0, 100));
  await hopsOf(1, 3);
  const former = agent.pid;
  await until('READY', () => supervisor.messages.length === 1);
  await asking.ask(() => agent.upgrade());
  counted.write(record.subarray(2));
  lines.write(line.subarray(100));
  fresh.write(octetCounted(recordLine(hopOf(5))));
  await hopsOf(2, 4, 5);
  // Connections that are open and idle, and those that are made now.
  await (await silent.hello()).ask();
  await (await new Asking().hello()).ask();
  await agent.ended(former);
  expect(await until('its exit code', () => agent.first.process.exitCode ?? undefined)).toBe(0);
  await asking.ask();
  expect([asking, silent].map(({ closed }) => closed)).toEqual([false, false]);
  expect([counted, lines, fresh].map(({ destroyed }) => destroyed)).toEqual([false, false, false]);
  expect(agent.logged('took over')[0]).toMatchObject({ connections: { spop: 2, records: 3 } });
  expect(agent.logged('SPOP peer disconnected: it broke the protocol')).toEqual([]);
  await until('STATUS', () => supervisor.messages.length === 3);
  expect(supervisor.messages.slice(1)).toEqual([
    `MAINPID=${agent.pid}\tREADY=1`,
    expect.stringMatching(/^STATUS=SPOP on /),
  ]);
  for (const { socket } of [asking, silent]) socket.destroy();
  for (const ring of [counted, lines, fresh]) ring.destroy();
});

test('settings are read anew; listeners stay where they are set, and no descriptor is left', async () => {
  set('OTEL_SERVICE_NAME=second');
  const asking = await new Asking().hello();
  const ring = connect(recordsPath);
  let first: number | undefined;
  for (let i = 0; i < UPGRADES; i += 1) {
    await agent.upgrade();
    await asking.ask();
    ring.write(octetCounted(recordLine(hopOf(10 + i))));
    await hopsOf(10 + i);
    first ??= descriptors(agent.pid);
    const most = first + 1;
    // Of what Node and gRPC open by themselves some come late, and what is closed may be closed late.
    await until(`${most} descriptors at most`, () => descriptors(agent.pid) <= most);
  }
  const traceId = hopOf(10).slice(0, 32);
  const span = receiver.spans.find((each) => each.traceId === traceId);
  expect(span?.resource['service.name']).toBe('second');
  const places = agent.logged('ready').map(({ spop, records, admin }) => [spop, records, admin]);
  expect(new Set(places.map(String)).size).toBe(1);
  asking.socket.destroy();
  ring.destroy();
});

test.each([
  [
    'settings that cannot be used',
    () => 'HAPROXY_OTEL_STOP_TIMEOUT=soon',
    /HAPROXY_OTEL_STOP_TIMEOUT is "soon"/,
  ],
  [
    'a listener whose address is taken',
    (port: number) => `HAPROXY_OTEL_ADMIN=127.0.0.1:${port}`,
    /cannot listen on .*EADDRINUSE/,
  ],
])(
  'a successor with %s changes nothing, and one error tells why',
  async (_what, setting, reason) => {
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    set('OTEL_SERVICE_NAME=never', setting(port));
    const asking = await new Asking().hello();
    // What was sent of the upgrade before may come after its end.
    await until('STATUS', () => supervisor.messages.at(-1)?.startsWith('STATUS='));
    const messages = supervisor.messages.length;
    const failures = agent.logged('upgrade failed, this agent goes on').length;
    process.kill(agent.pid, 'SIGUSR2');
    const failure = await until(
      'the failure',
      () => agent.logged('upgrade failed, this agent goes on')[failures],
    );
    expect(failure).toMatchObject({ level: 'error', reason: expect.stringMatching(reason) });
    await asking.ask();
    await (await new Asking().hello()).ask();
    await until('its end', () => !children(agent.pid).includes('node'));
    expect(supervisor.messages).toHaveLength(messages);
    set('OTEL_SERVICE_NAME=third');
    await agent.upgrade();
    await asking.ask();
    asking.socket.destroy();
  },
);

test('one upgrade at a time: another SIGUSR2 meanwhile is logged and ignored', async () => {
  const started = agent.logged('upgrading').length;
  const upgraded = agent.logged('handed over').length;
  const { goOn } = await holdUpgrade();
  process.kill(agent.pid, 'SIGUSR2');
  await until('the warning', () => agent.logged('SIGUSR2 is ignored: no upgrade can start now')[0]);
  await goOn();
  await agent.follow(upgraded);
  expect(agent.logged('upgrading')).toHaveLength(started + 1);
});

test('SIGTERM during an upgrade ends the agent, and its successor', async () => {
  const { successor } = await holdUpgrade();
  process.kill(agent.pid, 'SIGTERM');
  await agent.ended(agent.pid);
  await until('the end of both', () => !isRunning(successor));
  expect(existsSync(recordsPath)).toBe(false);
  const refused = new Asking();
  await until('a refusal', () => refused.closed);
});

test('the first process of a container refuses: the container would end with it', async () => {
  const child = spawn(
    'unshare',
    ['--map-root-user', '--pid', '--fork', '--kill-child', process.execPath, MAIN, 'run'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HAPROXY_OTEL_SPOP: '127.0.0.1:0',
        HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
        HAPROXY_OTEL_ADMIN: 'off',
        OTEL_TRACES_EXPORTER: 'none',
      },
    },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  await until('the agent to be ready', () => log.includes('"msg":"ready"'));
  const [pid] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ');
  process.kill(Number(pid), 'SIGUSR2');
  await until('the refusal', () => log.includes('"msg":"upgrade failed, this agent goes on"'));
  expect(log).toContain('process 1');
});

test('sockets that systemd opened go from one process to the next', async () => {
  const spop = createServer().listen(0, '127.0.0.1');
  const records = createServer().listen(0, '127.0.0.1');
  const datagrams = createSocket('udp4').bind(0, '127.0.0.1');
  await Promise.all([spop, records, datagrams].map((socket) => once(socket, 'listening')));
  const { port } = spop.address() as { port: number };
  const first = await AgentProcess.start(
    {
      LISTEN_FDNAMES: 'spop:records:records-datagram',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '20',
    },
    [spop, records, datagrams].map(descriptorOf),
  );
  const activated = new UpgradingAgent(first);
  onTestFinished(() => activated.end('SIGKILL'));
  const sender = createSocket('udp4');
  onTestFinished(() => void sender.close());
  const to = datagrams.address().port;
  for (const socket of [spop, records, datagrams]) socket.close();
  const asking = await new Asking(port).hello();
  for (const index of [100, 101]) {
    await activated.upgrade();
    await asking.ask();
    await (await new Asking(port).hello()).ask();
    sender.send(recordLine(hopOf(index), { stopping: 1 }), to, '127.0.0.1');
    await hopsOf(index);
  }
  expect(new Set(activated.logged('ready').map(({ records }) => records)).size).toBe(1);
});

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Names of the processes that a process has started. */
function children(pid: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const [, command, parent] = /\((.*)\) \S (\d+)/.exec(statusOf(name)) ?? [];
      return Number(parent) === pid && command !== undefined ? [command] : [];
    });
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}
