import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OtlpSpanKind } from '../../../src/demo/otlp-receiver.ts';
import { VERSION } from '../../../src/version.ts';
import { until } from '../../agent-process.ts';
import type { OtlpReceiver } from '../../otlp-receiver.ts';
import { hopOf, recordLine } from '../../records/lines.ts';
import { DOCUMENTATION } from '../readme.ts';
import { Machine } from './machine.ts';
import { architecture, buildPackage, PACKAGES } from './package.ts';

const SERVICE = 'haproxy-otel-spoa';
const NEXT = '999.0.0';

let machine: Machine;
let receiver: OtlpReceiver;
let before: string[];

function install(path: string): Promise<string> {
  copyFileSync(path, join(machine.shared, 'package.deb'));
  return machine.must('dpkg', '--force-confold', '--install', '/srv/package.deb');
}

/** Everything on the machine but what systemd, dpkg and HAProxy write for themselves. */
async function everything(): Promise<string[]> {
  const own =
    /^\/(var\/log|var\/lib\/dpkg\/(status|available|lock|triggers|diversions)|etc\/\.pwd|var\/cache|var\/lib\/haproxy)/;
  const listed = await machine.must(
    'find',
    '/',
    '-xdev',
    '-newermt',
    '1970-01-01',
    '-printf',
    '%p %M %u\n',
  );
  return listed
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
function commandLines(): Promise<string> {
  return machine.must('sh', '-c', 'cat /proc/[0-9]*/cmdline');
}

/** The agent's log, line by line, as far as the journal has it. */
async function logged(message: string): Promise<Record<string, unknown>[]> {
  const lines = await machine.must(
    'journalctl',
    '--unit',
    SERVICE,
    '--output',
    'cat',
    '--no-pager',
  );
  return lines
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg === message);
}

/** Its last line with this message, which comes to the journal behind what systemd is notified of. */
function lastLogged(
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<Record<string, unknown>> {
  return until(`"${message}" in the journal`, async () => {
    const line = (await logged(message)).at(-1);
    const isIt = Object.entries(fields).every(([name, value]) => line?.[name] === value);
    return isIt && line;
  });
}

async function state(unit = SERVICE): Promise<string> {
  const { output } = await machine.run(
    'systemctl',
    'show',
    '--property',
    'ActiveState',
    '--value',
    unit,
  );
  return output.trim();
}

async function mainPid(): Promise<string> {
  const shown = await machine.must(
    'systemctl',
    'show',
    '--property',
    'MainPID',
    '--value',
    SERVICE,
  );
  return shown.trim();
}

/** Asks for `path` until a hop of it was asked of the agent and came to the receiver, both spans. */
async function traced(path: string): Promise<void> {
  await until(`a traced request for ${path}`, async () => {
    expect(await get(path)).toBe(200);
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
  receiver = await machine.receiver();
  before = await everything();
}, 300_000);

afterAll(async () => {
  receiver?.stop();
  await machine?.stop();
  rmSync(PACKAGES, { recursive: true, force: true });
});

test('the same commit makes the same package', () => {
  const first = readFileSync(buildPackage(NEXT));
  expect(readFileSync(buildPackage(NEXT)).equals(first)).toBe(true);
}, 180_000);

test('installs without a network, and runs', async () => {
  await install(buildPackage(VERSION));
  expect(await state()).toBe('active');
  expect(await lastLogged('ready')).toMatchObject({
    version: VERSION,
    spop: '127.0.0.1:12345',
    records: '127.0.0.1:12346',
  });
  expect(await machine.must('haproxy-otel-spoa', '--version')).toBe(`${VERSION}\n`);
  // The runtime that the documentation names, of a line with long-term support.
  const release = '[process.versions.node.split(".")[0], typeof process.release.lts].join(" ")';
  const [, line] = /own\s+runtime,\s+Node (\d+)/.exec(DOCUMENTATION) ?? [];
  expect(await machine.must('/usr/lib/haproxy-otel-spoa/node', '-p', release)).toBe(
    `${line} string\n`,
  );
  for (const name of ['spop', 'records', 'records-datagram']) {
    expect(await state(`${SERVICE}-${name}.socket`)).toBe('active');
    await machine.must('systemctl', 'is-enabled', `${SERVICE}-${name}.socket`);
  }
  await machine.must('systemctl', 'is-enabled', SERVICE);
  // What the unit forbids does not include that.
  expect(await logged('the telemetry thread may not lower its priority')).toEqual([]);
});

test('systemd finds nothing wrong with the units, and little exposed', async () => {
  const sockets = ['spop', 'records', 'records-datagram'].map(
    (name) => `${SERVICE}-${name}.socket`,
  );
  const verified = await machine.must(
    'systemd-analyze',
    'verify',
    '--man=no',
    `${SERVICE}.service`,
    ...sockets,
  );
  expect(verified).toBe('');
  // Tenths.
  await machine.must(
    'systemd-analyze',
    'security',
    '--offline=true',
    '--threshold=20',
    `${SERVICE}.service`,
  );
});

test('traces a request through HAProxy, with settings and secrets in their files', async () => {
  const folder = '/usr/lib/haproxy-otel-spoa';
  const example = await machine.must('cat', `${folder}/haproxy/haproxy.cfg`);
  writeFileSync(
    join(machine.shared, 'haproxy.cfg'),
    `${example
      .replace('config spoe/otel.conf', `config ${folder}/spoe/otel.conf`)
      .replace('bind 127.0.0.1:8080', '$&\n    bind unix@/srv/http.sock mode 666')}
frontend origin
    bind 127.0.0.1:8090
    http-request return status 200 content-type text/plain string ok
`,
  );
  writeFileSync(
    join(machine.shared, 'settings.env'),
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT=unix:///srv/otlp.sock',
      'OTEL_BSP_SCHEDULE_DELAY=20',
      'HAPROXY_OTEL_ADMIN=unix:/run/haproxy-otel-spoa/admin.sock',
      '',
    ].join('\n'),
  );
  writeFileSync(
    join(machine.shared, 'secrets.env'),
    'OTEL_EXPORTER_OTLP_HEADERS=api-key=from-secrets\n',
  );
  for (const [name, token] of [
    ['token', 'from-credential'],
    ['admin_token', 'from-credential-of-the-admin-listener'],
  ] as const) {
    writeFileSync(join(machine.shared, name), `${token}\n`);
    const target = `/etc/haproxy-otel-spoa/credentials/${name}`;
    await machine.must('install', '-m', '600', `/srv/${name}`, target);
  }
  await machine.must('cp', '/srv/settings.env', '/etc/haproxy-otel-spoa/settings.env');
  await machine.must('cp', '/srv/secrets.env', '/etc/haproxy-otel-spoa/secrets.env');
  await machine.must('systemctl', 'restart', SERVICE);
  await machine.must('cp', '/srv/haproxy.cfg', '/etc/haproxy/haproxy.cfg');
  await machine.must('systemctl', 'start', 'haproxy');
  await traced('/installed');
  expect(receiver.metadata).toMatchObject({
    'api-key': 'from-secrets',
    authorization: 'Bearer from-credential',
  });
  // For the service itself, and root.
  const socket = '/run/haproxy-otel-spoa/admin.sock';
  expect(await machine.must('stat', '--format=%F %a', socket)).toBe('socket 700\n');
  const checked = await machine.run('haproxy-otel-spoa', 'check');
  expect(checked.output).toContain(
    '\nsettings of the agent: /etc/haproxy-otel-spoa/settings.env\n',
  );
  // Root finds the token of the service, and shows it to nobody else.
  const verify = ['haproxy-otel-spoa', 'verify', '--wait', '60'];
  const url = 'http://127.0.0.1:8080/verified';
  const verified = await machine.run(...verify, url);
  expect(verified.output).toMatch(/^record +ok /m);
  expect(verified.output).not.toContain('from-credential');
  const elsewhere = await machine.run(...verify, '--admin', `unix:${socket}`, url);
  expect(elsewhere.output).toContain('it wants a token');
  const text = await machine.must('journalctl', '--unit', SERVICE, '--no-pager');
  expect(text).toContain('"authorization":"***"');
  expect(text).not.toMatch(/from-(secrets|credential)/);
  expect(await commandLines()).not.toMatch(/from-(secrets|credential)/);
});

test('journalctl separates warnings from the rest', async () => {
  await machine.must(
    'sh',
    '-c',
    'echo OTEL_TRACES_EXPORTER=zipkin >>/etc/haproxy-otel-spoa/settings.env',
  );
  await machine.must('systemctl', 'reload', SERVICE);
  await lastLogged('reload failed, the configuration before stays in force');
  const priority = (...range: string[]): Promise<string> =>
    machine.must('journalctl', '--unit', SERVICE, '--output', 'cat', '--no-pager', ...range);
  expect(await priority('--priority', 'warning')).toContain('OTEL_TRACES_EXPORTER is \\"zipkin\\"');
  expect(await priority('--priority', 'warning')).not.toContain('"msg":"ready"');
  expect(await priority()).toContain('"msg":"ready"');
  await until('the reload to be over', async () => (await state()) === 'active');
  // The same setting at a start: systemd tries again until somebody corrects it.
  expect((await machine.run('systemctl', 'restart', SERVICE)).status).not.toBe(0);
  await until('the error in the journal', async () =>
    (await priority('--priority', 'err')).includes(
      'haproxy-otel-spoa: OTEL_TRACES_EXPORTER is "zipkin"',
    ),
  );
  await machine.must('cp', '/srv/settings.env', '/etc/haproxy-otel-spoa/settings.env');
  await until('the agent', async () => (await state()) === 'active');
  expect(await state(`${SERVICE}-spop.socket`)).toBe('active');
});

test('a datagram that comes while there is no agent waits for the next', async () => {
  const line = recordLine(hopOf(7), { stopping: 1 });
  writeFileSync(join(machine.shared, 'record'), line);
  await machine.must('systemctl', 'stop', 'haproxy');
  await machine.run('systemctl', 'stop', SERVICE);
  await machine.must('bash', '-c', 'cat /srv/record >/dev/udp/127.0.0.1/12346');
  await until('its spans', () =>
    receiver.spans.some(({ traceId }) => traceId === hopOf(7).slice(0, 32)),
  );
  await machine.must('systemctl', 'start', 'haproxy');
});

test('an agent that hangs is restarted by the watchdog, one that is killed at once', async () => {
  await machine.must('mkdir', '-p', `/run/systemd/system/${SERVICE}.service.d`);
  await machine.must(
    'sh',
    '-c',
    `printf '[Service]\\nWatchdogSec=4\\n' >/run/systemd/system/${SERVICE}.service.d/test.conf`,
  );
  await machine.must('systemctl', 'daemon-reload');
  await machine.must('systemctl', 'restart', SERVICE);
  const replaced = async (signal: string): Promise<void> => {
    const pid = await mainPid();
    await machine.must('sh', '-c', `kill -${signal} ${pid}`);
    await until(
      'the next',
      async () => !['0', pid].includes(await mainPid()) && (await state()) === 'active',
    );
  };
  await replaced('STOP');
  await until('the reason in the journal', async () =>
    (await machine.must('journalctl', '--unit', SERVICE, '--no-pager')).includes(
      'Watchdog timeout',
    ),
  );
  await replaced('KILL');
  await traced('/restarted');
  await machine.must('rm', '-r', `/run/systemd/system/${SERVICE}.service.d`);
  await machine.must('systemctl', 'daemon-reload');
});

test('an upgrade preserves settings, connections and every hop, and systemd knows its next main process', async () => {
  const former = await mainPid();
  const opened = await machine.must(
    'systemctl',
    'show',
    '--property',
    'ActiveEnterTimestampMonotonic',
    `${SERVICE}-spop.socket`,
  );
  const statuses: number[] = [];
  let running = true;
  const client = (async () => {
    while (running) statuses.push(await get('/meanwhile'));
  })();
  await install(join(PACKAGES, `${SERVICE}_${NEXT}_${architecture()}.deb`));
  running = false;
  await client;
  expect(statuses.length).toBeGreaterThan(10);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect(
    await machine.must(
      'systemctl',
      'show',
      '--property',
      'ActiveEnterTimestampMonotonic',
      `${SERVICE}-spop.socket`,
    ),
  ).toBe(opened);
  await lastLogged('ready', { version: NEXT, pid: Number(await mainPid()) });
  expect(await mainPid()).not.toBe(former);
  expect(await state()).toBe('active');
  expect(await lastLogged('handed over')).toMatchObject({ connections: { records: 1 } });
  await until('every hop, once', () => {
    const hops = receiver.spans.filter(
      ({ kind, attributes }) =>
        kind === OtlpSpanKind.SERVER && attributes['url.path'] === '/meanwhile',
    );
    return hops.length === statuses.length;
  });
  expect(await machine.must('cat', '/etc/haproxy-otel-spoa/settings.env')).toContain(
    'unix:///srv/otlp.sock',
  );
  await traced('/upgraded');
});

test('removed and purged, nothing of it is left', async () => {
  await machine.must('systemctl', 'stop', 'haproxy');
  await machine.must('dpkg', '--remove', SERVICE);
  expect(await state()).toBe('inactive');
  expect(await state(`${SERVICE}-spop.socket`)).toBe('inactive');
  expect(await machine.must('cat', '/etc/haproxy-otel-spoa/settings.env')).toContain('otlp.sock');
  await machine.must('dpkg', '--purge', SERVICE);
  expect(await everything()).toEqual(before);
  expect((await machine.run('dpkg', '-s', SERVICE)).status).not.toBe(0);
  expect(await machine.must('systemctl', 'list-unit-files', '--no-pager')).not.toContain(SERVICE);
  expect(await commandLines()).not.toContain('otel');
});
