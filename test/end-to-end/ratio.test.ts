import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reaches, thresholdInMillionths } from '../../src/context/threshold.ts';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { freePorts } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { wiring } from '../wiring/run.ts';
import { added, plain } from './added.ts';
import { Chain, get, serverTimingTraceId } from './chain.ts';
import {
  type Exchange,
  type HeaderFields,
  HeaderServer,
  sendHttp1,
  valuesOf,
} from './header-server.ts';
import { runCommand } from './runtime-api.ts';

/** `add --ratio`: HAProxy decides by the trace id, and asks the agent only where that has something to do. */
const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-ratio-'));
const stats = join(folder, 'stats.sock');
const map = join(folder, 'otel-ratios.map');
writeFileSync(map, '/route 0\n');

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/sampling-in-haproxy.md'), 'utf8');

/** What the page has in a block of a language, with the test's own paths. */
function shown(language: string, words: string): string {
  const blocks = [...PAGE.matchAll(/^```(\w+)\n(.*?)\n```$/gms)];
  const block = blocks.find(([, name, body]) => name === language && body?.includes(words));
  return (block?.[2] ?? '').trim().replaceAll('/etc/haproxy/otel-ratios.map', map);
}

const BY_PATH = [
  shown('haproxy', 'txn.otel.ratio'),
  'tcp-request content set-var(txn.otel.trust) path,field(3,/) if { path_beg /trust/ }',
  'tcp-request content set-var(txn.otel.ratio) path,field(3,/) if { path_beg /ratio/ }',
  'http-request return status 503 if { path_beg /broken }',
  'http-after-response set-header x-hop %[var(txn.otel.hop)]',
];

/** A chain whose server answers with the header fields it got, and where the agent's numbers are. */
async function start(
  args: readonly string[],
): Promise<{ chain: Chain; server: HeaderServer; admin: number }> {
  const server = await HeaderServer.start();
  const { spop: admin } = await freePorts();
  const chain = await Chain.start({
    agentEnv: {
      HAPROXY_OTEL_ADMIN: `127.0.0.1:${admin}`,
      HAPROXY_OTEL_KEEP_ERRORS: 'true',
      OTEL_PROPAGATORS: 'tracecontext,baggage,b3',
    },
    editConfig: (config, ports) =>
      lessPatient(added(folder, withStats(plain(config, BY_PATH)), ports, args)).replaceAll(
        `server app1 127.0.0.1:${ports.server}`,
        `server app1 127.0.0.1:${server.port}`,
      ),
  });
  return { chain, server, admin };
}

const withStats = (config: string): string =>
  config.replace('global\n', `global\n    stats socket ${stats} level admin\n`);

/** HAProxy 2.6 waits as long for an agent that is gone, until it has seen that. */
function lessPatient(config: string): string {
  const [, engine = ''] = /config (\S+spoa\.conf)/.exec(config) ?? [];
  writeFileSync(engine, readFileSync(engine, 'utf8').replace('processing 10s', 'processing 2s'));
  return config;
}

let chain: Chain;
let server: HeaderServer;
beforeAll(async () => {
  ({ chain, server } = await start(['--ratio', '0', '--propagators', 'b3']));
});
afterAll(async () => {
  await chain.stop();
  server.stop();
  rmSync(folder, { recursive: true });
});

/** A counter of the agent's, all of its series together. */
async function counted(port: number, name: string): Promise<number> {
  const { body } = await get(port, '/metrics');
  const lines = body.split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Whether the agent was, and answered: what HAProxy decides has a mark. */
const isAsked = ({ response }: Exchange): boolean => !String(response['x-hop']).endsWith('-r');
const send = (path: string, fields: HeaderFields = []): Promise<Exchange> =>
  sendHttp1(chain.ports.http, path, fields);
/** The random part of each new trace's id, from both processes of HAProxy's. */
const randomParts = new Set<string>();

function upstream(exchange: Exchange): { traceId: string; spanId: string; flags: string } {
  const values = valuesOf(exchange, 'traceparent');
  expect(values).toHaveLength(1);
  expect(values[0]).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/);
  const [, traceId = '', spanId = '', flags = ''] = values[0]?.split('-') ?? [];
  return { traceId, spanId, flags };
}

const T = 'abcdef0123456789abcdef0123456789';
const P = 'fedcba9876543210';
const caller = (flags: string, ...more: HeaderFields): HeaderFields => [
  ['traceparent', `00-${T}-${P}-${flags}`],
  ...more,
];

describe('a new trace', () => {
  test('that is not sampled: a context of its own, and no NOTIFY', async () => {
    const ids = new Set<string>();
    for (let i = 0; i < 20; i += 1) {
      const exchange = await send('/a', [['baggage', 'a=1']]);
      expect(isAsked(exchange)).toBe(false);
      const { traceId, spanId, flags } = upstream(exchange);
      ids.add(traceId).add(spanId);
      randomParts.add(traceId.slice(18));
      expect(flags).toBe('02');
      expect(valuesOf(exchange, 'b3')).toEqual([`${traceId}-${spanId}-0`]);
      expect(valuesOf(exchange, 'tracestate')).toEqual([]);
      expect(serverTimingTraceId(exchange.response['server-timing'])).toBe(traceId);
    }
    expect(ids.size).toBe(40);
  });

  test('that is sampled: the agent exports it under the id that HAProxy made', async () => {
    const exchange = await send('/ratio/1');
    expect(isAsked(exchange)).toBe(true);
    const { traceId, spanId, flags } = upstream(exchange);
    expect(flags).toBe('03');
    expect(valuesOf(exchange, 'tracestate')).toEqual(['ot=th:0']);
    expect((await chain.hop(traceId)).client?.spanId).toBe(spanId);
  });

  test('is sampled or not by its id, as in consistent sampling: both sides decide alike', async () => {
    const half = thresholdInMillionths('0.5');
    if (half === undefined) throw new Error('half of all are some');
    let kept = 0;
    for (let i = 0; i < 60; i += 1) {
      const exchange = await send('/ratio/0.5');
      const { traceId, flags } = upstream(exchange);
      const isKept = reaches(Buffer.from(traceId), 18, half);
      expect([traceId, flags]).toEqual([traceId, isKept ? '03' : '02']);
      expect(isAsked(exchange)).toBe(isKept);
      expect(valuesOf(exchange, 'tracestate')).toEqual(isKept ? [`ot=th:${half.th}`] : []);
      kept += isKept ? 1 : 0;
    }
    expect(kept).toBeGreaterThan(5);
    expect(kept).toBeLessThan(55);
  });

  test('has the share of its route, which the Runtime API changes', async () => {
    expect(upstream(await send('/route')).flags).toBe('02');
    const [, command = ''] = /^echo '(.*)' \|/.exec(shown('sh', 'set map')) ?? [];
    await runCommand(stats, command.replace('/api 0.5', '/route 1'));
    expect(upstream(await send('/route')).flags).toBe('03');
  });

  test.each([
    ['a traceparent that is none', [['traceparent', `00-${'0'.repeat(32)}-${P}-01`]]],
    ['two of them', [...caller('00'), ...caller('00')]],
  ] as readonly (readonly [string, HeaderFields])[])('of %s', async (_name, fields) => {
    const { traceId, flags } = upstream(await send('/a', fields));
    expect(traceId).not.toBe(T);
    expect(flags).toBe('02');
  });
});

describe('a caller', () => {
  test.each([
    ['00', '00'],
    ['02', '02'],
    ['fe', '02'],
  ])('who does not sample (%s) is continued without a question', async (flags, expected) => {
    const exchange = await send('/a', caller(flags, ['baggage', 'a=1']));
    expect(isAsked(exchange)).toBe(false);
    expect(upstream(exchange)).toMatchObject({ traceId: T, flags: expected });
    expect(upstream(exchange).spanId).not.toBe(P);
    expect(valuesOf(exchange, 'baggage')).toEqual(['a=1']);
  });

  test.each([
    ['samples', caller('01', ['tracestate', 'a=1'], ['tracestate', 'b=2']), '01', ['a=1,b=2']],
    ['has a tracestate', caller('00', ['tracestate', 'a=1,ot=th:8']), '00', ['a=1']],
    ['speaks another format', [['b3', `${T}-${P}-1`]], '01', []],
  ] as readonly (readonly [string, HeaderFields, string, string[]])[])(
    'who %s is asked about',
    async (_name, fields, flags, tracestate) => {
      const exchange = await send('/a', fields);
      expect(isAsked(exchange)).toBe(true);
      expect(upstream(exchange)).toMatchObject({ traceId: T, flags });
      expect(valuesOf(exchange, 'tracestate')).toEqual(tracestate);
    },
  );

  test.each(['restart', 'ignore'])('an untrusted caller (%s) has no influence', async (trust) => {
    const fields = caller('01', ['tracestate', 'a=1'], ['baggage', 'a=1'], ['b3', `${T}-${P}-1`]);
    const exchange = await send(`/trust/${trust}`, fields);
    expect(isAsked(exchange)).toBe(false);
    const { traceId, spanId, flags } = upstream(exchange);
    expect(traceId).not.toBe(T);
    expect(flags).toBe('02');
    expect(valuesOf(exchange, 'tracestate')).toEqual([]);
    expect(valuesOf(exchange, 'baggage')).toEqual([]);
    expect(valuesOf(exchange, 'b3')).toEqual([`${traceId}-${spanId}-0`]);
  });
});

test('what failed is exported though the agent was not asked, and the agent was not away', async () => {
  const { headers } = await get(chain.ports.http, '/broken', {
    headers: { 'user-agent': 'tester/1.0' },
  });
  const { server } = await chain.hop(serverTimingTraceId(headers['server-timing']), false);
  expect(server.attributes).toMatchObject({
    'http.response.status_code': 503,
    'network.protocol.version': '1.1',
    'user_agent.original': 'tester/1.0',
  });
  expect(Object.keys(server.attributes).filter((name) => name.includes('away'))).toEqual([]);
});

describe('lines of what is neither sampled nor failed', () => {
  test('are not written', async () => {
    const sparing = await start(['--ratio', '0', '--lines', 'sampled']);
    try {
      const records = (): Promise<number> => counted(sparing.admin, 'haproxy_otel_records_total');
      const { http } = sparing.chain.ports;
      const before = await records();
      for (let i = 0; i < 9; i += 1) {
        randomParts.add(upstream(await sendHttp1(http, '/a', [])).traceId.slice(18));
      }
      expect(randomParts.size).toBe(29);
      expect(valuesOf(await sendHttp1(http, '/a', []), 'x-request-id')).toEqual([]);
      const { headers } = await get(http, '/broken');
      await sparing.chain.hop(serverTimingTraceId(headers['server-timing']), false);
      const exchange = await sendHttp1(http, '/ratio/1', []);
      const kept = upstream(exchange);
      expect(valuesOf(exchange, 'x-request-id')[0]).toContain(kept.traceId);
      const hop = await sparing.chain.hop(kept.traceId);
      expect(hop.server.attributes).toMatchObject({ 'server.address': 'www.example' });
      await until('both to be counted', async () => (await records()) - before === 2);
    } finally {
      await sparing.chain.stop();
      sparing.server.stop();
    }
  });
});

test('rules are few: of every fifty HAProxy makes a pause', () => {
  const file = join(folder, 'all.cfg');
  const logged = ['log 127.0.0.1:514 local0', 'option httplog', 'option dontlog-normal'];
  const timeouts = ['timeout connect 2s', 'timeout client 5s', 'timeout server 5s'];
  const site = ['mode http', ...logged, ...timeouts];
  writeFileSync(file, `defaults\n  ${site.join('\n  ')}\nfrontend www\n  bind 127.0.0.1:1\n`);
  const all = ['--propagators', 'b3,b3multi,jaeger,xray', '--lines', 'sampled'];
  const { out } = wiring(folder, 'add', [file], ['--ratio', '0.01', ...all]);
  const [command = ''] = shown('sh', 'add --ratio').split('\n');
  expect(command).toBe('haproxy-otel-spoa add --ratio 0.01 --write');
  for (const phase of [
    'tcp-request content',
    'http-request',
    'http-response',
    'http-after-response',
  ]) {
    const count = out
      .split('\n')
      .filter((line) => line.trim().replace(/^\+ */, '').startsWith(phase)).length;
    expect([phase, count, count > 0 && count < 35]).toEqual([phase, count, true]);
  }
});

/** The last one: the agent is gone. */
test('the agent is away: the same decisions', async () => {
  await chain.agent.end();
  await until('HAProxy to see that', async () => {
    const exchange = await send('/ratio/1');
    return valuesOf(exchange, 'tracestate').length === 0;
  });
  expect(upstream(await send('/ratio/1')).flags).toBe('03');
  expect(upstream(await send('/ratio/0')).flags).toBe('02');
  expect(upstream(await send('/a', caller('01')))).toMatchObject({ traceId: T, flags: '01' });
  expect(upstream(await send('/a', caller('00')))).toMatchObject({ traceId: T, flags: '00' });
  expect(upstream(await send('/trust/restart', caller('01'))).traceId).not.toBe(T);
});
