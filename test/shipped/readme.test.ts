import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/config.ts';
import { SETTINGS } from '../../src/config/table.ts';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { HaproxyAttribute } from '../../src/telemetry/attributes.ts';
import { requestAdmin } from '../admin/admin-request.ts';
import { AgentProcess } from '../agent-process.ts';
import { Chain, HAPROXY } from '../end-to-end/chain.ts';
import { blocks, blockWith, DOCUMENTATION, DOCUMENTS, document, section } from './readme.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-readme-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** First column of the table under a heading, code by code. */
function firstColumn(heading: string): string[] {
  return [...section(heading).matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code),
  );
}

/** Settings by which a row of a table begins, on whatever page. */
function documentedSettings(): string[] {
  const cells = DOCUMENTATION.matchAll(/^\| (`(?:HAPROXY_)?OTEL_[^|]+) \|/gm);
  return [...cells].flatMap(([, cell = '']) => cell.match(/(?:HAPROXY_)?OTEL_[A-Z_]+/g) ?? []);
}

test('the example is accepted without a warning, from the repository root', () => {
  const args = ['-c', '-f', 'haproxy/haproxy.cfg'];
  const checked = spawnSync(HAPROXY, args, { cwd: PACKAGE_ROOT, encoding: 'utf8' });
  expect(`${checked.stdout}${checked.stderr}`).not.toMatch(/WARNING|ALERT/);
  expect(checked.status).toBe(0);
});

test('every attribute is in the table, and own ones are as documented', async () => {
  const own = blockWith('haproxy', 'accept_language');
  const chain = await Chain.start({
    site: (config) =>
      config
        .replace('global\n', () => `global\n${own}`)
        .replace(/# (http-request set-var\(txn.otel.accept_language\))/, '$1'),
  });
  try {
    const headers = { 'accept-language': 'de, "x"]' };
    const response = await chain.get('/api/readme', { headers });
    const { server, client } = await chain.hop(response.traceId);
    const {
      'http.request.header.accept-language': language,
      'frontend.connections': connections,
      ...others
    } = server.attributes;
    expect(language).toEqual(['de, "x"]']);
    expect(connections).toBeGreaterThan(0);
    const documented = new Set(firstColumn('What the spans say'));
    const attributes = Object.keys({ ...others, ...client?.attributes });
    expect(attributes.filter((name) => !documented.has(name))).toEqual([]);
  } finally {
    await chain.stop();
  }
});

test('every attribute of our own, and every cause, is explained', () => {
  const documented = firstColumn('What the spans say');
  expect(documented).toEqual(expect.arrayContaining(Object.values(HaproxyAttribute)));
  const [row = ''] = /^\| `error\.type` .*$/m.exec(document('docs/attributes.md')) ?? [];
  const source = readFileSync(join(PACKAGE_ROOT, 'src/records/termination.ts'), 'utf8');
  const [causes = ''] = /export type Cause =[^;]*;/.exec(source) ?? [];
  const names = [...causes.matchAll(/'(\w+)'/g)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !row.includes(`\`${name}\``))).toEqual([]);
});

test('the table of settings is what the agent reads', () => {
  const folder = join(PACKAGE_ROOT, 'src/config');
  const source = readdirSync(folder)
    // What the keys of a configuration file stand for.
    .filter((name) => !/^config-(model|exporters)/.test(name))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const direct = [...source.matchAll(/'((?:HAPROXY_OTEL|OTEL)_[A-Z_]+)'/g)].map(([, name]) => name);
  const inherited = [...source.matchAll(/\w\.((?:HAPROXY_)?OTEL_[A-Z_]+)/g)].map(
    ([, name]) => name,
  );
  const read = [...new Set([...direct, ...inherited])].sort();
  const documented = [...new Set(documentedSettings())].sort();
  expect(documented).toEqual(read);
  // What is not listed would be refused as unknown.
  expect(Object.keys(SETTINGS).sort()).toEqual(documented);
});

describe('a setting that has its documented default is as if it were not set', () => {
  const rows = [...section('Settings').matchAll(/^\| `([A-Z_]+)` \| `([^`|]+)` \|/gm)].map(
    ([, name = '', value = '']): readonly [string, string] => [name, value],
  );

  test('most have one', () => expect(rows.length).toBeGreaterThan(25));

  test.each(rows)('%s=%s', (name, value) => {
    const plain = loadConfig({});
    const { admin } = plain.telemetry;
    // Only the default that nobody chose is left to another agent that has it.
    const telemetry = { ...plain.telemetry, admin: { ...admin, optional: false } };
    const expected = name === 'HAPROXY_OTEL_ADMIN' ? { ...plain, telemetry } : plain;
    expect(loadConfig({ [name]: value })).toEqual(expected);
  });
});

test('the table of metrics is what the agent exports, and every path that is named is there', async () => {
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
    OTEL_TRACES_EXPORTER: 'none',
  });
  try {
    const { body } = await requestAdmin(agent, '/metrics');
    const told = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(firstColumn('See it').sort()).toEqual(told.sort());
    const page = section('See it');
    const paths = [...page.matchAll(/^\| (\/\S*) \|/gm)].map(([, path = '']) => path);
    expect(paths).toHaveLength(6);
    for (const path of paths) {
      expect([path, (await requestAdmin(agent, path, { method: 'HEAD' })).status]).toEqual([
        path,
        200,
      ]);
    }
    for (const [, query = ''] of page.matchAll(/`(\?[a-z]+=[^`]+)`/g)) {
      expect([query, (await requestAdmin(agent, `/api/live${query}`)).status]).toEqual([
        query,
        200,
      ]);
    }
  } finally {
    await agent.end();
  }
});

describe('the environments', () => {
  const environments = [...DOCUMENTS].flatMap(([path, text]) =>
    blocks('sh', text)
      .filter((block) => /^(HAPROXY_)?OTEL_\S*\n/.test(block))
      .map((block): readonly [string, string] => [path, block]),
  );

  test.each(environments)('of %s: %s', (path, block) => {
    const env = Object.fromEntries(
      block
        .trim()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    // Files that only the user has are put in place.
    for (const [name, value] of Object.entries(env)) {
      if (!value.startsWith('/etc/')) continue;
      env[name] = join(folder, name);
      writeFileSync(env[name], name.endsWith('HEADERS_FILE') ? 'access-token: secret\n' : 'pem');
    }
    const { traces: exporter } = loadConfig(env).telemetry.exporters;
    if (path !== 'README.md') return;
    expect(exporter).toMatchObject({ kind: 'otlp', endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT });
  });

  test('there are three to begin with', () => {
    expect(environments.filter(([path]) => path === 'README.md')).toHaveLength(3);
  });
});

describe('the Collectors', () => {
  const configurations = blocks('yaml', document('docs/collector.md'))
    .filter((block) => /^service:/m.test(block))
    .map((block) => parse(block));

  test('are two', () => expect(configurations).toHaveLength(2));

  test.each(configurations)('name in their pipelines what they have: %#', (configuration) => {
    const { traces } = configuration.service.pipelines;
    for (const kind of ['receivers', 'processors', 'exporters']) {
      expect(Object.keys(configuration[kind]).sort()).toEqual([...traces[kind]].sort());
    }
  });

  test('go by the present names of their exporters', () => {
    const names = configurations.flatMap(({ exporters }) => Object.keys(exporters));
    const types = names.map((name) => name.split('/', 1)[0]);
    expect([...new Set(types)].sort()).toEqual(['load_balancing', 'otlp_grpc']);
  });

  test('route by trace id before they sample by trace', () => {
    const [first, second] = configurations;
    expect(first.exporters.load_balancing.routing_key).toBe('traceID');
    expect(first.exporters.load_balancing.resolver.dns.port).toBe('4317');
    expect(second.receivers.otlp.protocols.grpc.endpoint).toMatch(/:4317$/);
    expect(second.processors.tail_sampling.policies.length).toBeGreaterThan(1);
  });
});

test('the command that runs the agent does', async () => {
  const [, command = ''] =
    /^(OTEL_\S+ node dist\/main\.js)$/m.exec(document('docs/operations.md')) ?? [];
  expect(command).not.toBe('');
  const [setting = '', , script] = command.split(' ');
  expect(script).toBe('dist/main.js');
  const [name = '', value = ''] = setting.split('=');
  const agent = await AgentProcess.start({
    [name]: value,
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
  });
  expect(await agent.end()).toBe(0);
});

test('the demo shows all its traces and ends', async () => {
  const demo = AgentProcess.spawn(['demo', '--once']);
  expect(await demo.exited()).toBe(0);
  for (const text of [
    '404 from',
    '503, no server',
    '504, the',
    'the client leaves',
    'retried on',
  ]) {
    expect(demo.output).toContain(text);
  }
  // Without what is another each time, and without what an ellipsis leaves out.
  const plain = (text: string): string[] =>
    text
      .replace(/trace [0-9a-f]{32}/g, 'trace')
      .replace(/\d+\.\d ms +=+/g, '')
      .split('\n')
      .map((line) => line.replace(/ …$/, '').replace(/\s+/g, ' ').trim())
      .filter((line) => line !== '');
  const printed = plain(demo.output);
  const shown = plain(blockWith('text', '503, no server in the backend'));
  expect(shown).toHaveLength(11);
  expect(shown.filter((line) => !printed.some((each) => each.startsWith(line)))).toEqual([]);
  expect(demo.output.match(/haproxy SERVER/g)).toHaveLength(6);
  expect(demo.output.match(/haproxy CLIENT/g)).toHaveLength(5);
  expect(demo.output.match(/demo-app SERVER/g)).toHaveLength(5);
});
