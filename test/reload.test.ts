import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { generate } from 'selfsigned';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';
import { gatherSettings, serviceSettings } from '../src/config/settings-file.ts';
import { freePort } from '../src/demo/ports.ts';
import { changesBetween, Reloader } from '../src/reload.ts';
import type { Env } from '../src/settings.ts';
import { until } from './agent-process.ts';
import { Chain } from './end-to-end/chain.ts';
import { OtlpReceiver } from './otlp-receiver.ts';
import { DOCUMENTATION } from './shipped/readme.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-reload-'));
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

describe('settings', () => {
  test('of flags win over the environment, which wins over the file', () => {
    const HAPROXY_OTEL_CONFIG = file(
      'settings.env',
      '# a comment',
      'OTEL_LOG_LEVEL=warn',
      'OTEL_SERVICE_NAME="from the file"',
      'OTEL_TRACES_SAMPLER=always_off # another',
      'HAPROXY_OTEL_SPOP=127.0.0.1:1',
    );
    const environment = { HAPROXY_OTEL_CONFIG, OTEL_LOG_LEVEL: 'error', OTEL_SERVICE_NAME: '' };
    expect(gatherSettings(environment, { OTEL_LOG_LEVEL: 'debug' })).toEqual({
      HAPROXY_OTEL_CONFIG,
      OTEL_LOG_LEVEL: 'debug',
      OTEL_SERVICE_NAME: 'from the file',
      OTEL_TRACES_SAMPLER: 'always_off',
      HAPROXY_OTEL_SPOP: '127.0.0.1:1',
    });
  });

  test.each([
    ['OTEL_LOG_LEVEL debug', 'line 2: OTEL_…=value or HAPROXY_OTEL_…=value is accepted'],
    ['PATH=/bin', 'line 2: OTEL_'],
    ['api-key: secret', 'line 2: OTEL_'],
  ])('of a file with "%s" are refused, and what stands there is not repeated', (line, message) => {
    const path = file('bad.env', 'OTEL_LOG_LEVEL=info', line);
    const gather = (): unknown => gatherSettings({ HAPROXY_OTEL_CONFIG: path }, {});
    expect(gather).toThrow(message);
    expect(gather).not.toThrow(/secret/);
  });

  test('of a file that is not there are refused', () => {
    const none = { HAPROXY_OTEL_CONFIG: join(folder, 'none') };
    for (const [gather, named] of [
      [() => gatherSettings(none, {}), 'HAPROXY_OTEL_CONFIG'],
      [() => gatherSettings({}, none), '--config'],
      [() => serviceSettings(none, undefined), 'HAPROXY_OTEL_CONFIG'],
      [() => serviceSettings({}, none.HAPROXY_OTEL_CONFIG), '--config'],
    ] as const) {
      const { HAPROXY_OTEL_CONFIG: path } = none;
      expect(gather).toThrow(`${named} is "${path}": the path of a file that this user can read`);
    }
  });

  test('of the service are read by others too, unless they name a file', () => {
    const installed = file('installed.env', 'OTEL_LOG_LEVEL=debug');
    const other = file('other.env', 'OTEL_LOG_LEVEL=trace');
    const third = file('third.env', 'OTEL_LOG_LEVEL=warn');
    const HAPROXY_OTEL_CONFIG = other;
    for (const [found, path, level] of [
      [serviceSettings({}, undefined, installed), installed, 'debug'],
      [serviceSettings({ HAPROXY_OTEL_CONFIG }, undefined, installed), other, 'trace'],
      [serviceSettings({ HAPROXY_OTEL_CONFIG }, third, installed), third, 'warn'],
      [serviceSettings({}, undefined, join(folder, 'none')), undefined, undefined],
    ] as const) {
      expect([found.file, found.env.OTEL_LOG_LEVEL]).toEqual([path, level]);
      expect(found.adminTokenFile).toBeUndefined();
    }
    mkdirSync(join(folder, 'credentials'));
    const token = file('credentials/admin_token', 'secret');
    expect(serviceSettings({}, undefined, installed).adminTokenFile).toBe(token);
    expect(serviceSettings({}, other, installed).adminTokenFile).toBeUndefined();
  });

  test('that changed are in force at once, or named', () => {
    const before = {
      OTEL_LOG_LEVEL: 'info',
      HAPROXY_OTEL_SPOP: 'a',
      PATH: '1',
      OTEL_SERVICE_NAME: '',
    };
    const after = { HAPROXY_OTEL_SPOP: 'b', OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a=b', PATH: '2' };
    expect(changesBetween(before, after, true)).toEqual({
      reloadable: ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_LOG_LEVEL'],
      needRestart: ['HAPROXY_OTEL_SPOP'],
    });
  });
});

/** Settings that one reload logged as applied, and those that it logged as needing a restart. */
async function reloaded(
  before: Env,
  after: Env,
  between = (): void => {},
): Promise<[string[], string[]]> {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) });
  const reloader = new Reloader(before, loadConfig(before), {
    gather: () => after,
    load: loadConfig,
    log,
    notifier: undefined,
  });
  between();
  reloader.started(async () => {});
  reloader.request();
  const { changed } = await until('the reload', () => lines.find(({ msg }) => msg === 'reloaded'));
  const { settings = [] } = lines.find(({ level }) => level === 40) ?? {};
  return [changed as string[], settings as string[]];
}

test('requests while it starts or reloads are one reload more, behind what is under way', async () => {
  const done: (() => void)[] = [];
  const reloader = new Reloader({}, loadConfig({}), {
    gather: () => ({}),
    load: loadConfig,
    log: pino({ level: 'silent' }),
    notifier: undefined,
  });
  reloader.request();
  reloader.request();
  expect(done).toHaveLength(0);
  reloader.started(() => new Promise((resolve) => done.push(resolve)));
  expect(done).toHaveLength(1);
  reloader.request();
  reloader.request();
  expect(done).toHaveLength(1);
  done[0]?.();
  const end = await until('the second reload', () => done[1]);
  end();
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toHaveLength(2);
  reloader.request();
  expect(done).toHaveLength(3);
});

test('of an exporter of another kind nothing is applied', async () => {
  const before = { OTEL_TRACES_EXPORTER: 'console' };
  const after = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_BSP_EXPORT_TIMEOUT: '1000',
    HAPROXY_OTEL_MAX_TRACES_PER_SECOND: '5',
  };
  expect(await reloaded(before, after)).toEqual([
    ['HAPROXY_OTEL_MAX_TRACES_PER_SECOND'],
    ['OTEL_BSP_EXPORT_TIMEOUT', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_TRACES_EXPORTER'],
  ]);
});

test('what is in force after a reload is written alike wherever it is written', () => {
  const root = join(import.meta.dirname, '..');
  const [readme = ''] = /In force at once: .*?\. Others/s.exec(DOCUMENTATION) ?? [];
  const manual = readFileSync(join(root, 'haproxy/haproxy-otel-spoa.8'), 'utf8');
  const [signal = ''] = /\.B SIGHUP.*?\.TP/s.exec(manual) ?? [];
  const shipped = readFileSync(join(root, 'haproxy/systemd/settings.env'), 'utf8');
  const [reload = ''] = /systemctl reload.*?all others/s.exec(shipped) ?? [];
  const covers = (text: string): string[] =>
    [...new Set(text.match(/(HAPROXY_)?OTEL_[A-Z_]+(?=\b|…|\*)/g))].sort();
  const names = covers(readme);
  expect(names).toContain('OTEL_BSP_EXPORT_TIMEOUT');
  expect([covers(signal), covers(reload)]).toEqual([names, names]);
  const after = Object.fromEntries(names.map((name) => [name.replace(/_$/, '_ENDPOINT'), 'a']));
  expect(changesBetween({}, after, true).needRestart).toEqual([]);
});

test('a token of the admin listener that changed in its file is named as needing a restart', async () => {
  const env = { HAPROXY_OTEL_ADMIN_TOKEN_FILE: file('admin-token', 'abcdefghijklmnopqrstuvwxyz') };
  expect(await reloaded(env, env)).toEqual([[], []]);
  const change = (): void => {
    file('admin-token', 'zyxwvutsrqponmlkjihgfedcba');
  };
  expect(await reloaded(env, env, change)).toEqual([[], ['HAPROXY_OTEL_ADMIN_TOKEN_FILE']]);
});

/** Ports of the other side of all established connections to `port`, as the kernel has them. */
function connectionsTo(port: number): string[] {
  const here = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${here}`) && state === '01')
    .map(([, , remote = '']) => remote);
}

test('SIGHUP changes sampler, headers and log level, and no connection of HAProxy is closed', async () => {
  const headers = file('headers', 'api-key: first');
  const settings = file('chain.env', `HAPROXY_OTEL_OTLP_HEADERS_FILE=${headers}`);
  const chain = await Chain.start({ agentEnv: { HAPROXY_OTEL_CONFIG: settings } });
  ends.push(() => chain.stop());
  const { agent, receiver, ports } = chain;
  // The server behind HAProxy exports to the same receiver, without headers: until the last call was the agent's.
  const exportedKey = (path: string): Promise<string> =>
    until('an export of the agent', async () => {
      await chain.hop((await chain.get(path)).traceId);
      return receiver.metadata['api-key'];
    });
  expect(await exportedKey('/before')).toBe('first');
  const open = { spop: connectionsTo(ports.spop), records: connectionsTo(ports.records) };

  file('headers', 'api-key: second');
  file(
    'chain.env',
    `HAPROXY_OTEL_OTLP_HEADERS_FILE=${headers}`,
    'OTEL_LOG_LEVEL=debug',
    'OTEL_TRACES_SAMPLER=always_off',
    'OTEL_BSP_MAX_QUEUE_SIZE=4096',
  );
  agent.process.kill('SIGHUP');
  const reloaded = await until('the reload', () => agent.logged('reloaded'));
  expect(reloaded).toMatchObject({
    changed: ['OTEL_LOG_LEVEL', 'OTEL_TRACES_SAMPLER'],
    config: { sampler: { name: 'always_off' }, telemetry: { queueSpans: 131_072 } },
  });
  const warned = await until('the warning', () =>
    agent.logged('changed settings that are in force after a restart'),
  );
  expect(warned).toMatchObject({
    level: 'warn',
    settings: ['OTEL_BSP_MAX_QUEUE_SIZE'],
  });
  const echoed = JSON.parse((await chain.get('/unsampled')).body);
  expect(echoed.traceparent).toMatch(/-02$/);

  file('chain.env', `HAPROXY_OTEL_OTLP_HEADERS_FILE=${headers}`, 'OTEL_TRACES_EXPORTER=zipkin');
  agent.process.kill('SIGHUP');
  const failed = await until('the error', () =>
    agent.logged('reload failed, the configuration before stays in force'),
  );
  expect(failed).toMatchObject({
    level: 'error',
    reason: expect.stringContaining('OTEL_TRACES_EXPORTER is "zipkin"'),
  });
  const still = JSON.parse((await chain.get('/still-unsampled')).body);
  expect(still.traceparent).toMatch(/-02$/);

  file('chain.env', `HAPROXY_OTEL_OTLP_HEADERS_FILE=${headers}`);
  agent.process.kill('SIGHUP');
  await until(
    'sampling again',
    () => agent.logs.filter(({ msg }) => msg === 'reloaded').length === 2,
  );
  expect(await exportedKey('/after')).toBe('second');
  expect(
    receiver.spans.some(({ attributes }) => /unsampled/.test(String(attributes['url.path']))),
  ).toBe(false);
  // Checks come and go; what requests and records use is still there.
  const now = { spop: connectionsTo(ports.spop), records: connectionsTo(ports.records) };
  expect(open.spop.filter((each) => now.spop.includes(each)).length).toBeGreaterThan(0);
  expect(now.records).toEqual(open.records);
  expect(agent.logs.filter(({ level }) => level === 'error')).toHaveLength(1);
});

test('SIGHUP applies a new certificate of the receiver, and not one that is none', async () => {
  const issue = () =>
    generate([{ name: 'commonName', value: 'localhost' }], {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    });
  const [first, second] = [await issue(), await issue()];
  const port = await freePort();
  const serve = (pair: { private: string; cert: string }): Promise<OtlpReceiver> =>
    OtlpReceiver.start({
      port,
      credentials: ServerCredentials.createSsl(null, [
        { private_key: Buffer.from(pair.private), cert_chain: Buffer.from(pair.cert) },
      ]),
    });
  const certificate = file('ca.pem', first.cert);
  let receiver = await serve(first);
  ends.push(() => receiver.stop());
  const chain = await Chain.start({
    agentEnv: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `https://localhost:${port}`,
      OTEL_EXPORTER_OTLP_CERTIFICATE: certificate,
      HAPROXY_OTEL_STOP_TIMEOUT: '500',
    },
  });
  ends.push(() => chain.stop());
  const arrived = (path: string) => (): boolean =>
    receiver.spans.some(({ attributes }) => attributes['url.path'] === path);
  await chain.get('/first');
  await until('its span', arrived('/first'));
  receiver.stop();
  receiver = await serve(second);
  await chain.get('/second');
  await until('the failure', () => chain.agent.logged('export fails, spans wait'));
  file('ca.pem', 'no certificate');
  chain.agent.process.kill('SIGHUP');
  await until('the refusal', () =>
    chain.agent.logged('reload failed, the configuration before stays in force'),
  );
  file('ca.pem', second.cert);
  chain.agent.process.kill('SIGHUP');
  await until('the span that waited', arrived('/second'));
});
