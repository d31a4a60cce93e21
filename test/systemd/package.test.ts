import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { OtlpReceiver, OtlpSpanKind } from '../../src/demo/otlp-receiver.ts';
import { VERSION } from '../../src/version.ts';
import { until } from '../agent-process.ts';
import { hopOf, recordLine } from '../records/lines.ts';
import { Machine } from './machine.ts';

const SERVICE = 'haproxy-otel-spoa';
const NEXT = '999.0.0';
const output = join(PACKAGE_ROOT, '.cache/packages');

let machine: Machine;
let receiver: OtlpReceiver;
let before: string[];

/** Without compression, which takes longer than all the rest and changes nothing inside. */
function build(version: string): string {
  const script = join(PACKAGE_ROOT, 'haproxy/debian/build.mjs');
  const args = [script, '--version', version, '--output', output, '--uncompressed'];
  return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
}

function install(path: string): string {
  copyFileSync(path, join(machine.shared, 'package.deb'));
  return machine.must('dpkg', '--force-confold', '--install', '/srv/package.deb');
}

/** Everything on the machine but what systemd, dpkg and HAProxy write for themselves. */
function everything(): string[] {
  const own =
    /^\/(var\/log|var\/lib\/dpkg\/(status|available|lock|triggers|diversions)|etc\/\.pwd|var\/cache|var\/lib\/haproxy)/;
  return machine
    .must('find', '/', '-xdev', '-newermt', '1970-01-01', '-printf', '%p %M %u\n')
    .split('\n')
    .filter((line) => !own.test(line))
    .sort();
}

/** Sends a request through HAProxy on the machine. */
function get(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: join(machine.shared, 'http.sock'), path },
      (incoming) => {
        incoming.resume().once('end', () => resolve(incoming.statusCode ?? 0));
      },
    );
    outgoing.once('error', reject).end();
  });
}

/** Of all processes on the machine. */
function commandLines(): string {
  return machine.must('sh', '-c', 'cat /proc/[0-9]*/cmdline');
}

/** The agent's log, line by line. */
function logged(message: string): Record<string, unknown>[] {
  return machine
    .must('journalctl', '--unit', SERVICE, '--output', 'cat', '--no-pager')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg === message);
}

const state = (unit = SERVICE): string =>
  machine.run('systemctl', 'show', '--property', 'ActiveState', '--value', unit).output.trim();

/** Asks for `path` until a hop of it was asked of the agent and came to the receiver, both spans. */
async function traced(path: string): Promise<void> {
  await until(`a traced request for ${path}`, async () => {
    if ((await get(path).catch(() => undefined)) !== 200) return undefined;
    return until(
      'its spans',
      () => {
        const hops = receiver.spans.filter(({ attributes }) => attributes['url.path'] === path);
        const hop = hops.find(({ attributes }) => attributes['haproxy.agent_away'] !== true);
        return receiver.spans.some(
          ({ kind, traceId }) => kind === OtlpSpanKind.CLIENT && traceId === hop?.traceId,
        );
      },
      2_000,
    ).catch(() => undefined);
  });
}

beforeAll(async () => {
  machine = await Machine.boot();
  receiver = await OtlpReceiver.start({ path: join(machine.shared, 'otlp.sock') });
  chmodSync(join(machine.shared, 'otlp.sock'), 0o777);
  chmodSync(machine.shared, 0o755);
  before = everything();
}, 300_000);

afterAll(async () => {
  receiver?.stop();
  await machine?.stop();
  rmSync(output, { recursive: true, force: true });
});

test('the same commit gives the same package', () => {
  const first = readFileSync(build(NEXT));
  expect(readFileSync(build(NEXT)).equals(first)).toBe(true);
}, 180_000);

test('installs without a network, and runs', async () => {
  install(build(VERSION));
  expect(state()).toBe('active');
  const [ready] = logged('ready');
  expect(ready).toMatchObject({
    version: VERSION,
    spop: '127.0.0.1:12345',
    records: '127.0.0.1:12346',
  });
  expect(machine.must('haproxy-otel-spoa', '--version')).toBe(`${VERSION}\n`);
  for (const name of ['spop', 'records', 'records-datagram']) {
    expect(state(`${SERVICE}-${name}.socket`)).toBe('active');
    machine.must('systemctl', 'is-enabled', `${SERVICE}-${name}.socket`);
  }
  machine.must('systemctl', 'is-enabled', SERVICE);
}, 60_000);

test('systemd finds nothing wrong with the units, and little exposed', () => {
  const sockets = ['spop', 'records', 'records-datagram'].map(
    (name) => `${SERVICE}-${name}.socket`,
  );
  const verified = machine.must(
    'systemd-analyze',
    'verify',
    '--man=no',
    `${SERVICE}.service`,
    ...sockets,
  );
  expect(verified).toBe('');
  // Tenths.
  machine.must(
    'systemd-analyze',
    'security',
    '--offline=true',
    '--threshold=20',
    `${SERVICE}.service`,
  );
});

test('traces a request through HAProxy, with settings and secrets in their files', async () => {
  const folder = '/usr/lib/haproxy-otel-spoa';
  const example = machine.must('cat', `${folder}/haproxy/haproxy.cfg`);
  writeFileSync(
    join(machine.shared, 'haproxy.cfg'),
    `${example
      .replace('config spoe/otel.conf', `config ${folder}/spoe/otel.conf`)
      .replace('bind 127.0.0.1:8080', 'bind unix@/srv/http.sock mode 666')}
frontend origin
    bind 127.0.0.1:8090
    http-request return status 200 content-type text/plain string ok
`,
  );
  writeFileSync(
    join(machine.shared, 'settings.env'),
    ['OTEL_EXPORTER_OTLP_ENDPOINT=unix:///srv/otlp.sock', 'OTEL_BSP_SCHEDULE_DELAY=20', ''].join(
      '\n',
    ),
  );
  writeFileSync(
    join(machine.shared, 'secrets.env'),
    'OTEL_EXPORTER_OTLP_HEADERS=api-key=from-secrets\n',
  );
  writeFileSync(join(machine.shared, 'token'), 'from-credential\n');
  machine.must('cp', '/srv/settings.env', '/etc/haproxy-otel-spoa/settings.env');
  machine.must('cp', '/srv/secrets.env', '/etc/haproxy-otel-spoa/secrets.env');
  machine.must('install', '-m', '600', '/srv/token', '/etc/haproxy-otel-spoa/credentials/token');
  machine.must('systemctl', 'restart', SERVICE);
  machine.must('cp', '/srv/haproxy.cfg', '/etc/haproxy/haproxy.cfg');
  machine.must('systemctl', 'start', 'haproxy');
  await traced('/installed');
  expect(receiver.metadata).toMatchObject({
    'api-key': 'from-secrets',
    authorization: 'Bearer from-credential',
  });
  const text = machine.must('journalctl', '--unit', SERVICE, '--no-pager');
  expect(text).toContain('"authorization":"***"');
  expect(text).not.toMatch(/from-(secrets|credential)/);
  expect(commandLines()).not.toMatch(/from-(secrets|credential)/);
}, 60_000);

test('journalctl tells warnings from the rest', async () => {
  machine.must('sh', '-c', 'echo OTEL_LOG_LEVEL=loud >>/etc/haproxy-otel-spoa/settings.env');
  machine.must('systemctl', 'reload', SERVICE);
  await until(
    'the failed reload',
    () => logged('reload failed, the configuration before stays in force')[0],
  );
  const priority = (...range: string[]): string =>
    machine.must('journalctl', '--unit', SERVICE, '--output', 'cat', '--no-pager', ...range);
  expect(priority('--priority', 'warning')).toContain('OTEL_LOG_LEVEL is \\"loud\\"');
  expect(priority('--priority', 'warning')).not.toContain('"msg":"ready"');
  expect(priority()).toContain('"msg":"ready"');
  expect(state()).toBe('active');
  // The same setting at a start: systemd tries again until somebody corrects it.
  expect(machine.run('systemctl', 'restart', SERVICE).status).not.toBe(0);
  expect(priority('--priority', 'err')).toContain('haproxy-otel-spoa: OTEL_LOG_LEVEL is "loud"');
  machine.must('cp', '/srv/settings.env', '/etc/haproxy-otel-spoa/settings.env');
  await until('the agent', () => state() === 'active');
  expect(state(`${SERVICE}-spop.socket`)).toBe('active');
}, 60_000);

test('a datagram that comes while there is no agent waits for the next', async () => {
  const line = recordLine(hopOf(7)).replace('"stopping":0', '"stopping":1');
  writeFileSync(join(machine.shared, 'record'), line);
  machine.must('systemctl', 'stop', 'haproxy');
  machine.run('systemctl', 'stop', SERVICE);
  machine.must('bash', '-c', 'cat /srv/record >/dev/udp/127.0.0.1/12346');
  await until('its spans', () =>
    receiver.spans.some(({ traceId }) => traceId === hopOf(7).slice(0, 32)),
  );
  machine.must('systemctl', 'start', 'haproxy');
}, 60_000);

test('an agent that hangs is restarted by the watchdog, one that is killed at once', async () => {
  machine.must('mkdir', '-p', `/run/systemd/system/${SERVICE}.service.d`);
  machine.must(
    'sh',
    '-c',
    `printf '[Service]\\nWatchdogSec=4\\n' >/run/systemd/system/${SERVICE}.service.d/test.conf`,
  );
  machine.must('systemctl', 'daemon-reload');
  machine.must('systemctl', 'restart', SERVICE);
  const property = (name: string): string =>
    machine.must('systemctl', 'show', '--property', name, '--value', SERVICE).trim();
  const replaced = async (signal: string): Promise<void> => {
    const pid = property('MainPID');
    machine.must('sh', '-c', `kill -${signal} ${pid}`);
    await until(
      'the next',
      () => !['0', pid].includes(property('MainPID')) && state() === 'active',
    );
  };
  await replaced('STOP');
  expect(machine.must('journalctl', '--unit', SERVICE, '--no-pager')).toContain('Watchdog timeout');
  await replaced('KILL');
  await traced('/restarted');
  machine.must('rm', '-r', `/run/systemd/system/${SERVICE}.service.d`);
  machine.must('systemctl', 'daemon-reload');
}, 60_000);

test('an upgrade keeps settings, and refuses no connection', async () => {
  const opened = machine.must(
    'systemctl',
    'show',
    '--property',
    'ActiveEnterTimestampMonotonic',
    `${SERVICE}-spop.socket`,
  );
  install(join(output, `${SERVICE}_${NEXT}_${architecture()}.deb`));
  expect(
    machine.must(
      'systemctl',
      'show',
      '--property',
      'ActiveEnterTimestampMonotonic',
      `${SERVICE}-spop.socket`,
    ),
  ).toBe(opened);
  expect(logged('ready').at(-1)).toMatchObject({ version: NEXT });
  expect(machine.must('cat', '/etc/haproxy-otel-spoa/settings.env')).toContain(
    'unix:///srv/otlp.sock',
  );
  await traced('/upgraded');
}, 120_000);

test('removed and purged, nothing of it is left', () => {
  machine.must('systemctl', 'stop', 'haproxy');
  machine.must('dpkg', '--remove', SERVICE);
  expect(state()).toBe('inactive');
  expect(state(`${SERVICE}-spop.socket`)).toBe('inactive');
  expect(machine.must('cat', '/etc/haproxy-otel-spoa/settings.env')).toContain('otlp.sock');
  machine.must('dpkg', '--purge', SERVICE);
  expect(everything()).toEqual(before);
  expect(machine.run('dpkg', '-s', SERVICE).status).not.toBe(0);
  expect(machine.must('systemctl', 'list-unit-files', '--no-pager')).not.toContain(SERVICE);
  expect(commandLines()).not.toContain('otel');
}, 60_000);

function architecture(): string {
  return execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
}
