import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OtlpSpanKind, OtlpStatus, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { document } from '../shipped/readme.ts';
import { Chain, VERSION as HAPROXY_VERSION } from './chain.ts';
import {
  backends,
  distrust,
  droppingPort,
  FRONTEND_RULES,
  failHandshake,
  hastyFrontend,
  PROVOCATIONS,
  resettingServer,
  sendRaw,
  type World,
} from './ends.ts';
import { ScriptedServer } from './scripted-server.ts';
import { unread } from './sockets.ts';

const TABLE = document('docs/ends.md');
const [, VERSION] = /version (\d+\.\d+)/.exec(HAPROXY_VERSION) ?? [];
const PARENT_ID = 'b7ad6b7169203331';

/** A row of the documentation's table: what it promises is what is expected here. */
type Row = {
  readonly name: string;
  readonly states: readonly string[];
  readonly statuses: readonly (number | undefined)[];
  readonly errorType: string | undefined;
  readonly fault: string | undefined;
  readonly server: string;
  readonly client: string;
};

const ROWS = readRows();

function readRows(): Map<string, Row> {
  const [, table = ''] = /\| How it ends [^\n]*\n\|[-|]+\n((?:\|.*\n)+)/.exec(TABLE) ?? [];
  const rows = new Map<string, Row>();
  for (const line of table.trim().split('\n')) {
    const [
      name = '',
      states = '',
      statuses = '',
      errorType = '',
      fault = '',
      server = '',
      client = '',
    ] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const [, way = name, version] = /^(.*), HAProxy (\d\.\d)$/.exec(name) ?? [];
    if (version !== undefined && version !== VERSION) continue;
    rows.set(way, {
      name,
      states: states.replaceAll('`', '').split(' '),
      statuses: statuses.split(' ').map((text) => (text === '' ? undefined : Number(text))),
      errorType: errorType.replaceAll('`', '') || undefined,
      fault: fault || undefined,
      server,
      client,
    });
  }
  return rows;
}

/** Nobody listens there: where no logger is the user's own, records are not early. */
const LOGGED = '    log 127.0.0.1:9 local0\n    option httplog\n';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-ends-'));
let world: World;
let endServers: () => void;

beforeAll(async () => {
  const server = await ScriptedServer.start();
  const dropping = await droppingPort();
  const resetting = await resettingServer();
  endServers = () => {
    dropping.end();
    resetting.end();
  };
  const refused = await freePort();
  const tlsPort = await freePort();
  const asapPort = await freePort();
  const hastyPort = await freePort();
  const refusingTcpPort = await freePort();
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
  const pem = join(folder, 'haproxy.pem');
  writeFileSync(pem, `${cert}\n${key}`);
  const socket = join(folder, 'runtime.sock');
  const chain = await Chain.start({
    agentEnv: { HAPROXY_OTEL_CONNECTION_ERRORS: 'span' },
    site: (config) => {
      const edited = config
        .replace('global\n', `global\n    stats socket ${socket} mode 600 level admin\n`)
        .replace(
          / {4}http-request deny deny_status 403 if[\s\S]*?(?= {4}default_backend app\n)/,
          FRONTEND_RULES,
        )
        .replace('frontend www\n', `frontend www\n    bind 127.0.0.1:${tlsPort} ssl crt ${pem}\n`)
        .replace(
          '    mode tcp\n    bind ',
          `    mode tcp\n    bind 127.0.0.1:${refusingTcpPort}\n    bind `,
        )
        .replace(
          'default_backend tcp-app',
          `use_backend tcp-refusing if { dst_port ${refusingTcpPort} }\n    default_backend tcp-scripted`,
        );
      const [www = ''] = /frontend www\n[\s\S]*?default_backend app\n/.exec(edited) ?? [];
      const asap = www
        .replace('frontend www\n', `frontend asap\n${LOGGED}    option logasap\n`)
        .replace(/ {4}bind [\s\S]*? proto h2\n/, `    bind 127.0.0.1:${asapPort}\n`);
      const hasty = hastyFrontend(www, hastyPort);
      return `${edited}\n${asap}\n${hasty}${backends(server, { refused, dropping: dropping.port, http2: resetting.port })}`;
    },
  });
  world = { chain, server, tlsPort, asapPort, hastyPort, refusingTcpPort, socket };
});

afterAll(async () => {
  await world.chain.stop();
  await world.server.stop();
  endServers();
  rmSync(folder, { recursive: true });
});

/** The spans that came since, once the one that `isOurs` is there and the agent has none left. */
async function spansAfter(
  act: () => Promise<void>,
  isOurs: (span: ReceivedSpan) => boolean = () => true,
): Promise<ReceivedSpan[]> {
  const { chain } = world;
  const known = new Set(chain.haproxySpans().map(({ spanId }) => spanId));
  await act();
  const fresh = () => chain.haproxySpans().filter(({ spanId }) => !known.has(spanId));
  await until('its span', () => fresh().some(isOurs));
  // A hop that comes after this one was recorded after it.
  const { traceId } = await chain.get('/return');
  await chain.hop(traceId, false);
  return fresh().filter((span) => span.traceId !== traceId);
}

function describeSpan(span: ReceivedSpan | undefined): string {
  if (span === undefined) return 'none';
  const status = span.attributes['http.response.status_code'];
  const word = span.status === OtlpStatus.ERROR ? 'error' : 'unset';
  return status === undefined ? word : `${word} ${status}`;
}

let last = 0;

test('the documentation has every way to end that is tried here, and no other', () => {
  expect([...ROWS.keys()].sort()).toEqual(Object.keys(PROVOCATIONS).sort());
});

describe('as the documentation has it', () => {
  test.each(Object.keys(PROVOCATIONS))('%s', async (way) => {
    const row = ROWS.get(way);
    const provoke = PROVOCATIONS[way];
    if (row === undefined || provoke === undefined) throw new Error(`no row "${way}"`);
    last += 1;
    const traceId = last.toString(16).padStart(32, 'e');
    const isOwn = (span: ReceivedSpan): boolean => span.traceId === traceId;
    // What never reached a rule starts a trace of its own.
    const isOrphan = ({ parentSpanId, attributes }: ReceivedSpan): boolean =>
      parentSpanId === '' && attributes['url.path'] === undefined;
    const spans = await spansAfter(
      () => provoke(world, `00-${traceId}-${PARENT_ID}-01`),
      (span) => isOwn(span) || isOrphan(span),
    );

    const own = spans.filter(isOwn);
    const orphans = spans.filter(isOrphan);
    const hop = own.length > 0 ? own : orphans;
    const servers = hop.filter(({ kind }) => kind === OtlpSpanKind.SERVER);
    const clients = hop.filter(({ kind }) => kind === OtlpSpanKind.CLIENT);
    expect(servers).toHaveLength(1);
    expect(clients).toHaveLength(row.client === 'none' ? 0 : 1);
    const [server] = servers;
    const [client] = clients;
    if (server === undefined) throw new Error('no SERVER span');

    const { attributes } = server;
    expect({
      'error.type': attributes['error.type'],
      fault: attributes['haproxy.fault'],
      server: describeSpan(server).split(' ')[0],
      client: describeSpan(client),
    }).toEqual({
      'error.type': row.errorType,
      fault: row.fault,
      server: row.server,
      client: row.client,
    });
    expect(row.states).toContain(String(attributes['haproxy.termination_state']).slice(0, 2));
    expect(row.statuses).toContain(attributes['http.response.status_code']);
    if (row.errorType !== undefined && client !== undefined) {
      expect(client.attributes['error.type']).toBe(row.errorType);
    }
    expect(client?.parentSpanId ?? server.spanId).toBe(server.spanId);
    expect(server.parentSpanId).toBe(own.length > 0 ? PARENT_ID : '');
  });
});

describe('a request that was sent again', () => {
  test.each([
    ['retry-on, then answered', 1, undefined],
    ['retry-on 503, then answered', 1, undefined],
    ['retry-on, in vain', 2, undefined],
    ['connection refused', 2, undefined],
    ['connection refused, redispatched', 1, true],
    ['connect timeout', 1, undefined],
    ['connect timeout, redispatched', 1, true],
  ])('%s: one CLIENT span, resent %i times', async (way, count, redispatched) => {
    last += 1;
    const traceId = last.toString(16).padStart(32, 'f');
    world.server.forget();
    const spans = await spansAfter(
      async () => {
        await PROVOCATIONS[way]?.(world, `00-${traceId}-${PARENT_ID}-01`);
      },
      (span) => span.traceId === traceId,
    );
    expect(spans).toHaveLength(2);
    const client = spans.find(({ kind }) => kind === OtlpSpanKind.CLIENT);
    expect(client?.attributes['http.request.resend_count']).toBe(count);
    expect(client?.attributes['haproxy.redispatched']).toBe(redispatched);
  });
});

test('a WebSocket is one hop, from its request to its close', async () => {
  const spans = await spansAfter(async () => {
    await PROVOCATIONS.WebSocket?.(world, `00-${'a'.repeat(32)}-${PARENT_ID}-01`, 400);
  });
  expect(spans).toHaveLength(2);
  for (const { start, end } of spans) expect(Number(end - start) / 1e6).toBeGreaterThan(200);
});

describe('a failed TLS handshake', () => {
  test.each([
    ['a client that speaks no TLS', failHandshake],
    ['a client that does not trust the certificate', distrust],
  ])('of %s is a span of its own, if wanted', async (_name, provoke) => {
    const [span, ...others] = await spansAfter(() => provoke(world));
    expect(others).toEqual([]);
    expect(span).toMatchObject({
      name: 'connection error',
      kind: OtlpSpanKind.SERVER,
      status: OtlpStatus.UNSET,
      parentSpanId: '',
    });
    expect(span?.attributes).toEqual({
      'error.type': 'tls_handshake_error',
      'network.transport': 'tcp',
      'client.address': '127.0.0.1',
      'client.port': expect.any(Number),
      'network.peer.address': '127.0.0.1',
      'network.peer.port': expect.any(Number),
      'server.address': '127.0.0.1',
      'server.port': world.tlsPort,
      'haproxy.fault': 'client',
      'haproxy.frontend.name': 'www',
      'haproxy.termination_state': 'PR--',
      'haproxy.connection_error': 'SSL handshake failure',
      'haproxy.phase.handshake_ms': expect.any(Number),
    });
  });
});

describe('a connection of a mode tcp frontend', () => {
  const bytes = 'GET /tcp/ok HTTP/1.1\r\nHost: ends\r\n\r\n';

  test('is one span: bytes, phases, and where it went', async () => {
    const [span, ...others] = await spansAfter(async () => {
      const said = sendRaw(world.chain.ports.tcp, bytes);
      await until('the answer', () => said.text.endsWith('ok'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      said.socket.end();
      await said.closed;
    });
    expect(others).toEqual([]);
    expect(span).toMatchObject({
      name: 'tcp tcp',
      kind: OtlpSpanKind.SERVER,
      status: OtlpStatus.UNSET,
      parentSpanId: '',
    });
    expect(span?.attributes).toEqual({
      'network.transport': 'tcp',
      'client.address': '127.0.0.1',
      'client.port': expect.any(Number),
      'network.peer.address': '127.0.0.1',
      'network.peer.port': span?.attributes['client.port'],
      'server.address': '127.0.0.1',
      'server.port': world.chain.ports.tcp,
      'haproxy.frontend.name': 'tcp',
      'haproxy.backend.name': 'tcp-scripted',
      'haproxy.server.name': 's1',
      'haproxy.server.address': '127.0.0.1',
      'haproxy.server.port': world.server.port,
      'haproxy.termination_state': '--',
      'haproxy.bytes_uploaded': bytes.length,
      'haproxy.bytes_read': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'.length,
      'haproxy.phase.handshake_ms': expect.any(Number),
      'haproxy.phase.queue_ms': expect.any(Number),
      'haproxy.phase.connect_ms': expect.any(Number),
    });
    expect(Number((span?.end ?? 0n) - (span?.start ?? 0n)) / 1e6).toBeGreaterThan(50);
  });

  test('to a server that refuses it is an error, with its retries', async () => {
    const [span, ...others] = await spansAfter(async () => {
      await sendRaw(world.refusingTcpPort, bytes).closed;
    });
    expect(others).toEqual([]);
    expect(span?.status).toBe(OtlpStatus.ERROR);
    expect(span?.attributes).toMatchObject({
      'error.type': 'connect_error',
      'haproxy.fault': 'server',
      'haproxy.termination_state': 'SC',
      'haproxy.retries': 1,
      'haproxy.backend.name': 'tcp-refusing',
    });
  });
});

test('HAProxy stopped with requests in flight: each is a hop, once', async () => {
  const { chain, server } = world;
  const trace = (index: number): string => index.toString(16).padStart(32, 'd');
  const ways: readonly [string, string][] = [
    ['/patient/slow', ' 200 '],
    ['/patient/drip', ' 200 '],
    ['/patient/drip-long', ' 200 '],
    // HAProxy's own replies and failures.
    ['/slower/silent', ' 504 '],
    ['/slower/stall', ' 200 '],
    ['/tarpit', ' 429 '],
  ];
  const before = server.requests;
  const said = ways.map(([path], i) =>
    sendRaw(
      chain.ports.http,
      `GET ${path} HTTP/1.1\r\nHost: ends\r\ntraceparent: 00-${trace(i)}-${PARENT_ID}-01\r\n\r\n`,
    ),
  );
  await until('the server to have them', () => server.requests >= before + ways.length - 1);
  // What HAProxy has not read when it stops to listen, it does not answer.
  await until('HAProxy to have all', () => said.every(({ socket }) => unread(socket) === 0));
  chain.haproxy.process.kill('SIGUSR1');
  for (const [i, { closed }] of said.entries()) expect(await closed).toContain(ways[i]?.[1]);
  await until('HAProxy to end', () => chain.haproxy.process.exitCode === 0);
  await chain.agent.end();
  const hops = ways.map((_, i) =>
    chain
      .haproxySpans()
      .filter(({ kind, traceId }) => kind === OtlpSpanKind.SERVER && traceId === trace(i)),
  );
  expect(hops.map(({ length }) => length)).toEqual(ways.map(() => 1));
  const kinds = hops.flat().map(({ attributes }) => attributes['error.type']);
  expect(kinds).toEqual([
    undefined,
    undefined,
    undefined,
    'server_timeout',
    expect.any(String),
    undefined,
  ]);
});
