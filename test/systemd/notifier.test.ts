import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { watchdogInterval } from '../../src/systemd/watchdog.ts';
import { AgentProcess, until } from '../agent-process.ts';
import { Supervisor } from './supervisor.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-notify-'));
const running: { end(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.end();
});
afterAll(() => rmSync(folder, { recursive: true }));

async function startSupervisor(socket = join(folder, randomUUID())): Promise<Supervisor> {
  const supervisor = await Supervisor.start(socket);
  running.push(supervisor);
  return supervisor;
}

async function start(env: Record<string, string>): Promise<AgentProcess> {
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    OTEL_TRACES_EXPORTER: 'none',
    ...env,
  });
  running.push({ end: () => agent.end('SIGKILL') });
  return agent;
}

describe.each([
  ['a path', () => join(folder, 'notify')],
  ['an abstract name', () => `@${randomUUID()}`],
])('a notification socket with %s', (_kind, name) => {
  test('is notified of readiness, reload and stop, in this order', async () => {
    const supervisor = await startSupervisor(name());
    const agent = await start({
      NOTIFY_SOCKET: supervisor.socket,
      HAPROXY_OTEL_STOP_TIMEOUT: '60000',
      HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
    });
    const { spop, records, admin } = agent.logged('ready') ?? {};
    await until('READY', () => supervisor.messages.length === 1);
    const before = process.hrtime.bigint() / 1000n;
    agent.process.kill('SIGHUP');
    await until('READY after the reload', () => supervisor.messages.length === 3);
    expect(await agent.end()).toBe(0);
    await until('STOPPING', () => supervisor.messages.length === 4);
    expect(supervisor.messages).toEqual([
      `READY=1\tSTATUS=SPOP on ${spop}, records on ${records}, admin ${admin}`,
      expect.stringMatching(/^RELOADING=1\tMONOTONIC_USEC=\d+$/),
      'READY=1',
      // More than the unit's 20 s.
      'STOPPING=1\tEXTEND_TIMEOUT_USEC=65000000',
    ]);
    expect(BigInt(/\d+$/.exec(String(supervisor.messages[1]))?.[0] ?? 0)).toBeGreaterThan(before);
  });
});

describe('the watchdog', () => {
  const fed = ({ messages }: Supervisor): number =>
    messages.filter((message) => message === 'WATCHDOG=1').length;

  test('is fed twice in its time', async () => {
    const supervisor = await startSupervisor();
    await start({ NOTIFY_SOCKET: supervisor.socket, WATCHDOG_USEC: '200000' });
    await until('food', () => fed(supervisor) >= 5);
  });

  test('is not fed while the telemetry thread hangs', async () => {
    const supervisor = await startSupervisor();
    const preload = join(import.meta.dirname, 'hang-on-signal.mjs');
    const agent = await start({
      NOTIFY_SOCKET: supervisor.socket,
      WATCHDOG_USEC: '200000',
      NODE_OPTIONS: `--import=${preload}`,
    });
    await until('food', () => fed(supervisor) >= 2);
    agent.process.kill('SIGWINCH');
    const times = [performance.now()];
    let before = fed(supervisor);
    await until('food after a long wait', () => {
      if (fed(supervisor) > before) {
        before = fed(supervisor);
        times.push(performance.now());
      }
      return times.some((time, index) => time - (times[index - 1] ?? time) > 1_000);
    });
  });

  test.each([
    [{ WATCHDOG_USEC: '30000000' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, undefined],
    [{ WATCHDOG_USEC: 'soon' }, undefined],
    [{}, undefined],
  ])('with %j, process 7 feeds it every %s ms', (env, interval) => {
    expect(watchdogInterval(env, 7)).toBe(interval);
  });
});

test('an agent that cannot notify logs it once, and works', async () => {
  const empty = join(folder, 'bin');
  mkdirSync(empty);
  symlinkSync('/bin/sh', join(empty, 'sh'));
  const agent = await start({
    NOTIFY_SOCKET: join(folder, 'none'),
    WATCHDOG_USEC: '100000',
    PATH: empty,
  });
  const told = await until('the reason', () => agent.logged('systemd cannot be notified'));
  expect(told).toMatchObject({ level: 'error', reason: expect.stringContaining('systemd-notify') });
  agent.process.kill('SIGHUP');
  await until('the reload', () => agent.logged('reloaded'));
  expect(await agent.end()).toBe(0);
  expect(agent.logs.filter(({ msg }) => msg === 'systemd cannot be notified')).toHaveLength(1);
});

test.each([1, 10, 130])('a messenger that ends with %d is logged', async (code) => {
  const bin = mkdtempSync(join(folder, 'bin-'));
  writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\nexit ${code}\n`, { mode: 0o755 });
  const agent = await start({ NOTIFY_SOCKET: join(folder, 'none'), PATH: `${bin}:/usr/bin:/bin` });
  const told = await until('the reason', () => agent.logged('systemd cannot be notified'));
  expect(told).toMatchObject({ reason: `systemd-notify ended with ${code}` });
});

test('the messenger ends with its agent', async () => {
  const supervisor = await startSupervisor();
  const agent = await start({ NOTIFY_SOCKET: supervisor.socket });
  const { pid } = agent.process;
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  expect(child).toMatch(/^\d+$/);
  await agent.end('SIGKILL');
  await until('its end', () => !existsSync(`/proc/${child}`));
});
