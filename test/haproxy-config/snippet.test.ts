import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { snippetCommand } from '../../src/snippet/command.ts';
import { Chain, echoed, HAPROXY } from '../haproxy/chain.ts';
import { blockWith } from '../readme.ts';
import { runCheck } from './run-check.ts';

const root = mkdtempSync(join(tmpdir(), 'haproxy-otel-snippet-'));
afterAll(() => rmSync(root, { recursive: true }));

function snippet(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  let text = '';
  expect(
    snippetCommand(args, { PATH: process.env.PATH, ...env }, (written) => {
      text += written;
    }),
  ).toBe(0);
  return text;
}

const forInstalled = ['--frontend', 'web', '--haproxy', HAPROXY];
const part = (name: string, args: readonly string[]): string =>
  snippet([...forInstalled, '--parts', name, ...args]);

/** A configuration that knew nothing of tracing, with the lines where they belong. */
function configured(args: readonly string[], mode = 'http'): string {
  const inFrontend = part('frontend', args).split('\n').slice(2).join('\n');
  return `${part('global', args)}
${part('sections', args)}
defaults
    mode ${mode}
    option dontlognull
    timeout connect 2s
    timeout client 5s
    timeout server 5s

frontend web
    bind 127.0.0.1:8080
${inFrontend}
    default_backend app

backend app
    server app1 127.0.0.1:8090
`;
}

describe('what is printed passes "haproxy -c" and "check" without a finding', () => {
  const unix = {
    HAPROXY_OTEL_SPOP: 'unix:/run/a/spop',
    HAPROXY_OTEL_RECORDS: 'unix:/run/a/records',
  };
  test.each([
    [[], {}],
    [['--trust', 'continue'], {}],
    [['--trust', 'restart'], {}],
    [['--trust', 'ignore'], {}],
    [['--trust', '192.0.2.0/24,2001:db8::/32'], {}],
    [['--propagators', 'tracecontext,baggage,b3,b3multi,jaeger,xray'], {}],
    [['--mode', 'tcp'], {}],
    [[], { HAPROXY_OTEL_SPOP: '127.0.0.2:9000', HAPROXY_OTEL_RECORDS: '[::1]:9001' }],
    [['--spop', 'unix:/run/a/spop', '--records', 'unix:/run/a/records'], unix],
  ] as const)('%o', (args, env) => {
    const addresses = Object.entries(env).flatMap(([name, value]) => [
      name.endsWith('SPOP') ? '--spop' : '--records',
      value,
    ]);
    const mode = args.some((arg) => arg === 'tcp') ? 'tcp' : 'http';
    const text = configured([...args, ...addresses], mode).replace('127.0.0.1:8080', ':8080');
    const { report } = runCheck(root, { 'haproxy.cfg': text }, { env });
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ accepted: true, frontends: [{ name: 'web', traced: true }] });
  });
});

describe('it is made of the example', () => {
  const lines = (text: string): string[] => text.split('\n').map((line) => line.trim());
  const example = new Set(lines(readFileSync(join(PACKAGE_ROOT, 'haproxy/haproxy.cfg'), 'utf8')));

  test.each([
    ['2.6', 'server agent 127.0.0.1:12346 log-proto octet-count', 'mode tcp', '"start":0'],
    ['2.8', 'server agent 127.0.0.1:12346', 'mode tcp', '"start":0'],
    ['3.0', 'server agent 127.0.0.1:12346', 'mode tcp', '"start":%[request_date(us)]'],
    ['3.2', 'server agent 127.0.0.1:12346', 'mode spop', '"start":%[request_date(us)]'],
  ])('for %s', (version, server, mode, start) => {
    const printed = snippet([
      '--frontend',
      'web',
      '--haproxy-version',
      version,
      '--engine',
      'spoe/otel.conf',
    ]);
    const own = lines(printed).filter((line) => line !== '' && !example.has(line));
    expect(own).toEqual([
      expect.stringMatching(/^# Into "global"/),
      expect.stringMatching(/^# Once, /),
      expect.stringMatching(/^# Into the frontend "web"/),
      'frontend web',
      expect.stringMatching(/^# http-request set-var\(txn\.otel\.route\)/),
    ]);
    expect(lines(printed)).toEqual(expect.arrayContaining([server, mode]));
    expect(printed).toContain(start);
    expect(printed).not.toMatch(/^ *\.(if|else|endif)/m);
  });

  test('and of the lines for other formats, which the README shows', () => {
    const file = readFileSync(join(PACKAGE_ROOT, 'haproxy/formats.cfg'), 'utf8');
    const shown = lines(blockWith('haproxy', 'set-header b3'));
    expect(lines(file).slice(-shown.length)).toEqual(shown);
    const printed = lines(part('frontend', ['--propagators', 'jaeger']));
    const removed = printed.indexOf('http-request del-header uber-trace-id');
    expect(removed).toBeGreaterThan(0);
    expect(printed.findIndex((line) => line.includes('set-header uber-trace-id'))).toBeGreaterThan(
      removed,
    );
    expect(printed.some((line) => line.includes('set-header b3'))).toBe(false);
  });
});

test('an existing configuration with these lines is traced', async () => {
  const args = ['--trust', '127.0.0.0/8', '--propagators', 'b3'];
  const chain = await Chain.start({
    editConfig: (_shipped, ports) =>
      configured([
        ...args,
        '--spop',
        `127.0.0.1:${ports.spop}`,
        '--records',
        `127.0.0.1:${ports.records}`,
      ])
        .replace('127.0.0.1:8080', `127.0.0.1:${ports.http}`)
        .replace('127.0.0.1:8090', `127.0.0.1:${ports.server}`),
  });
  try {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const response = await chain.get('/b3', { headers: { b3: `${traceId}-b7ad6b7169203331-1` } });
    expect(response.traceId).toBe(traceId);
    const { server, client } = await chain.hop(traceId);
    expect(server).toMatchObject({ parentSpanId: 'b7ad6b7169203331' });
    expect(echoed(response).b3).toBe(`${traceId}-${client?.spanId}-1`);
  } finally {
    await chain.stop();
  }
}, 60_000);

test.each([
  [['--frontend', 'a b'], '--frontend is "a b": a name of letters, digits and _ . : - is accepted'],
  [[], '--frontend NAME is needed'],
  [
    ['--frontend', 'a', '--trust', 'some'],
    '--trust is "some": private, continue, restart, ignore, or networks',
  ],
  [['--frontend', 'a', '--trust', '10.0.0.0/40'], '--trust is "10.0.0.0/40"'],
  [
    ['--frontend', 'a', '--propagators', 'b3,w3c'],
    '--propagators is "b3,w3c": a list of tracecontext, baggage',
  ],
  [['--frontend', 'a', '--mode', 'udp'], '--mode is "udp": one of http, tcp is accepted'],
  [
    ['--frontend', 'a', '--spop', 'nowhere'],
    '--spop is "nowhere": host:port, unix:/path or fd:N is accepted',
  ],
  [['--frontend', 'a', '--haproxy-version', 'x'], '--haproxy-version is "x"'],
  [['more'], 'unexpected argument "more"'],
])('refuses %o', (args, message) => {
  expect(() => snippetCommand(args, { PATH: process.env.PATH }, () => {})).toThrow(message);
});

test("addresses are those of the agent's settings, and the file is named", () => {
  const config = join(root, 'settings.env');
  writeFileSync(config, 'HAPROXY_OTEL_SPOP=127.0.0.1:7345\nHAPROXY_OTEL_RECORDS=127.0.0.1:7346\n');
  const text = snippet([...forInstalled, '--config', config]);
  expect(text.split('\n', 1)).toEqual([`# Settings of the agent: ${config}`]);
  expect(text).toContain('server agent 127.0.0.1:7345 ');
  expect(text).toContain('server agent 127.0.0.1:7346');
});

test('a socket that was handed to the agent does not say where HAProxy gets to it', () => {
  const env = { PATH: process.env.PATH, HAPROXY_OTEL_SPOP: 'fd:3' };
  const args = ['--frontend', 'a', '--haproxy-version', '3.0'];
  expect(() => snippetCommand(args, env, () => {})).toThrow(
    'HAPROXY_OTEL_SPOP is "fd:3": --spop has to say where that is',
  );
  expect(snippetCommand([...args, '--spop', '127.0.0.1:1'], env, () => {})).toBe(0);
});
