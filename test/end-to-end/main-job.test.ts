import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { OtlpSpanKind, OtlpStatus } from '../../src/demo/otlp-receiver.ts';
import { until } from '../agent-process.ts';
import { Chain, echoed, HttpAgent, type Response, serverTimingTraceId } from './chain.ts';
import { patientChecks, patientEngine } from './patient-engine.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-main-job-'));
let chain: Chain;
beforeAll(async () => {
  chain = await Chain.start({
    add: { engine: patientEngine(folder) },
    editConfig: patientChecks,
    // The example of an attribute of one's own is a comment. A thousand requests take a busy machine its time.
    site: (config) =>
      config
        .replaceAll(/# (.*accept_language)/g, '$1')
        .replace('timeout server 5s', 'timeout server 60s')
        .replace('timeout http-request 10s', 'timeout http-request 60s'),
  });
});
afterAll(async () => {
  await chain.stop();
  rmSync(folder, { recursive: true });
});

/** The ids in a traceparent header. */
function ids(traceparent: string | undefined): { traceId: string; spanId: string; flags: string } {
  const [, traceId = '', spanId = '', flags = ''] = traceparent?.split('-') ?? [];
  return { traceId, spanId, flags };
}

/** A trace id of its own for each caller. */
function callerTrace(index: number): string {
  return (index + 1).toString(16).padStart(32, 'c');
}

describe('a request without context', () => {
  let response: Response;
  beforeAll(async () => {
    response = await chain.get('/hello?a=1');
  });

  test('starts a trace: random, sampled, and the same id everywhere', async () => {
    const upstream = ids(echoed(response).traceparent);
    expect(upstream).toMatchObject({ traceId: response.traceId, flags: '03' });
    const { server, client } = await chain.hop(response.traceId);
    expect(server).toMatchObject({ kind: OtlpSpanKind.SERVER, parentSpanId: '' });
    expect(client).toMatchObject({
      kind: OtlpSpanKind.CLIENT,
      parentSpanId: server.spanId,
      spanId: upstream.spanId,
    });
    // Flags of the trace in the low byte; the parent is known to be local, or there is none.
    expect(server.flags).toBe(0x103);
    expect(client?.flags).toBe(0x103);
  });

  test("the client gets the SERVER span's context", async () => {
    const { server } = await chain.hop(response.traceId);
    expect(response.headers['server-timing']).toBe(
      `trace;desc=00-${server.traceId}-${server.spanId}-03`,
    );
  });
});

describe("a caller's trace is continued", () => {
  test('sampled: the parent chain across all four spans', async () => {
    const response = await chain.get('/chain', {
      headers: {
        traceparent: `00-${TRACE_ID}-${PARENT_ID}-01`,
        tracestate: 'congo=t61rcWkgMzE,rojo=1',
      },
    });
    expect(response.traceId).toBe(TRACE_ID);
    const upstream = ids(echoed(response).traceparent);
    const { server, client } = await chain.hop(TRACE_ID);
    const app = await chain.serverSpan(TRACE_ID);
    expect(server.parentSpanId).toBe(PARENT_ID);
    expect(client?.parentSpanId).toBe(server.spanId);
    expect(app.parentSpanId).toBe(client?.spanId);
    // Each lies within its parent, to the millisecond.
    const millisecond = 1_000_000n;
    expect(server.start).toBeLessThanOrEqual(client?.start ?? 0n);
    expect(client?.start).toBeLessThanOrEqual(app.start + millisecond);
    expect(server.end).toBeGreaterThanOrEqual(app.start);
    expect(upstream).toEqual({ traceId: TRACE_ID, spanId: client?.spanId, flags: '01' });
    // The caller is remote, and the random flag that it did not set is not set.
    expect([server.flags, client?.flags]).toEqual([0x301, 0x101]);
    expect(echoed(response).tracestate).toBe('congo=t61rcWkgMzE,rojo=1');
    expect(server.traceState).toBe('congo=t61rcWkgMzE,rojo=1');
    expect(client?.traceState).toBe('congo=t61rcWkgMzE,rojo=1');
  });

  test('not sampled: passed on, and no spans', async () => {
    const traceId = callerTrace(1);
    const response = await chain.get('/unsampled', {
      headers: { traceparent: `00-${traceId}-${PARENT_ID}-02` },
    });
    const upstream = ids(echoed(response).traceparent);
    expect(upstream).toMatchObject({ traceId, flags: '02' });
    expect(upstream.spanId).not.toBe(PARENT_ID);
    const later = await chain.get('/later');
    await chain.hop(later.traceId);
    expect(chain.haproxySpans().filter((span) => span.traceId === traceId)).toEqual([]);
  });

  test('an invalid one is not, and its tracestate is dropped', async () => {
    const response = await chain.get('/invalid', {
      headers: { traceparent: `00-${TRACE_ID}-${'0'.repeat(16)}-01`, tracestate: 'a=1' },
    });
    expect(response.traceId).not.toBe(TRACE_ID);
    expect(echoed(response).tracestate).toBeUndefined();
    expect((await chain.hop(response.traceId)).server.parentSpanId).toBe('');
  });

  test('two traceparents are none; several tracestates are one', async () => {
    const header = `00-${callerTrace(2)}-${PARENT_ID}-01`;
    const twice = await chain.get('/twice', { headers: { traceparent: [header, header] } });
    expect(twice.traceId).not.toBe(callerTrace(2));
    const parts = await chain.get('/parts', {
      headers: { traceparent: header, tracestate: ['a=1', 'b=2,c=3', 'd=4'] },
    });
    expect(echoed(parts).tracestate?.replaceAll(' ', '')).toBe('a=1,b=2,c=3,d=4');
    expect((await chain.hop(callerTrace(2))).server.traceState).toBe('a=1,b=2,c=3,d=4');
  });
});

describe('the content of spans', () => {
  test('a SERVER and a CLIENT span as the conventions want them of a proxy', async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const response = await chain.get('/api/orders?delay=40&sig=secret&q=%22', {
      headers: { 'user-agent': 'tester/1.0', host: 'shop.example:8443', 'x-request-id': 'req-1' },
    });
    const { server, client } = await chain.hop(response.traceId);
    const after = BigInt(Date.now()) * 1_000_000n;
    expect(server.name).toBe('GET /api/:name');
    expect(server.status).toBe(OtlpStatus.UNSET);
    expect(server.attributes).toEqual({
      'http.request.method': 'GET',
      'http.route': '/api/:name',
      'url.scheme': 'http',
      'url.path': '/api/orders',
      'url.query': 'delay=40&sig=REDACTED&q=%22',
      'server.address': 'shop.example',
      'server.port': 8443,
      'client.address': '127.0.0.1',
      'client.port': expect.any(Number),
      'network.peer.address': '127.0.0.1',
      'network.peer.port': server.attributes['client.port'],
      'network.protocol.version': '1.1',
      'user_agent.original': 'tester/1.0',
      'http.request.header.x-request-id': ['req-1'],
      'http.response.status_code': 200,
      'http.request.size': expect.any(Number),
      'http.response.size': expect.any(Number),
      'haproxy.frontend.name': 'www',
      'haproxy.backend.name': 'app',
      'haproxy.server.name': 'app1',
      'haproxy.termination_state': '----',
      'haproxy.phase.request_ms': expect.any(Number),
      'haproxy.phase.agent_us': expect.any(Number),
      'haproxy.phase.queue_ms': 0,
      'haproxy.phase.connect_ms': expect.any(Number),
      'haproxy.phase.response_ms': expect.any(Number),
      'haproxy.phase.transfer_ms': expect.any(Number),
      // One of the user's own, as the example shows it.
      connections: 1,
    });
    expect(client?.name).toBe('GET');
    expect(client?.attributes).toMatchObject({
      'server.address': '127.0.0.1',
      'server.port': chain.ports.server,
      'url.full': `http://127.0.0.1:${chain.ports.server}/api/orders?delay=40&sig=REDACTED&q=%22`,
      'http.response.status_code': 200,
    });
    // Milliseconds are what HAProxy 2.6 has; the server took 40 of them, and both ends are rounded.
    const millisecond = 1_000_000n;
    expect(server.start).toBeGreaterThanOrEqual(before - millisecond);
    expect(server.end).toBeLessThanOrEqual(after + millisecond);
    expect(client?.start).toBeGreaterThanOrEqual(server.start);
    expect(client?.end).toBe(server.end);
    expect(Number((client?.end ?? 0n) - (client?.start ?? 0n)) / 1e6).toBeGreaterThan(20);
    expect(server.attributes['haproxy.phase.response_ms']).toBeGreaterThan(20);
    expect(echoed(response)['x-request-id']).toBe('req-1');
  });

  test('a request starts with its first byte, not with its connection', async () => {
    const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
    await chain.get('/first', { agent });
    const idle = 120;
    await new Promise((resolve) => setTimeout(resolve, idle));
    const before = BigInt(Date.now()) * 1_000_000n;
    const second = await chain.get('/second', { agent });
    agent.destroy();
    const { server } = await chain.hop(second.traceId);
    expect(server.start).toBeGreaterThan(before - (BigInt(idle) * 1_000_000n) / 2n);
  });

  test('4xx is an error of the client span only, 5xx of both', async () => {
    const missing = await chain.hop((await chain.get('/missing')).traceId);
    expect([missing.server.status, missing.client?.status]).toEqual([0, OtlpStatus.ERROR]);
    expect(missing.server.attributes['error.type']).toBeUndefined();
    expect(missing.client?.attributes['error.type']).toBe('404');
    const broken = await chain.hop((await chain.get('/error')).traceId);
    expect([broken.server.status, broken.client?.status]).toEqual([2, 2]);
    expect(broken.server.attributes['error.type']).toBe('500');
  });

  test('an unknown method is _OTHER, with the original beside it', async () => {
    const response = await chain.get('/', { method: 'PURGE' });
    const { server } = await chain.hop(response.traceId);
    expect(server.name).toBe('HTTP');
    expect(server.attributes).toMatchObject({
      'http.request.method': '_OTHER',
      'http.request.method_original': 'PURGE',
    });
  });

  test("HAProxy's own answer has no CLIENT span, and the trace id all the same", async () => {
    for (const [path, status] of [
      ['/nowhere', 503],
      ['/forbidden', 403],
    ] as const) {
      const response = await chain.get(path);
      expect(response.status).toBe(status);
      const { server, client } = await chain.hop(response.traceId, false);
      expect(server.attributes['http.response.status_code']).toBe(status);
      expect(client).toBeUndefined();
    }
    const { server } = await chain.hop((await chain.get('/nowhere')).traceId, false);
    expect(server).toMatchObject({ status: OtlpStatus.ERROR });
    expect(server.attributes['error.type']).toBe('no_server');
  });

  test('a retried request is one hop, with its resend count', async () => {
    const { server, client } = await chain.hop((await chain.get('/refused')).traceId);
    expect(server.status).toBe(OtlpStatus.UNSET);
    expect(client?.attributes['http.request.resend_count']).toBeGreaterThanOrEqual(1);
    expect(client?.attributes['haproxy.server.name']).toBe('app1');
    const spans = chain.haproxySpans().filter(({ traceId }) => traceId === server.traceId);
    expect(spans).toHaveLength(2);
  });

  test('a server that is too slow: 504, and no status that the server never sent', async () => {
    const response = await chain.get('/slow');
    const { server, client } = await chain.hop(response.traceId);
    expect(server.attributes).toMatchObject({
      'http.response.status_code': 504,
      'error.type': 'server_timeout',
      'haproxy.termination_state': 'sH--',
    });
    expect(client?.status).toBe(OtlpStatus.ERROR);
    expect(client?.attributes['http.response.status_code']).toBeUndefined();
  });

  test("attributes of the user's own", async () => {
    const response = await chain.get('/', { headers: { 'accept-language': 'de, en;q="0.5"' } });
    const { server } = await chain.hop(response.traceId);
    expect(server.attributes['http.request.header.accept-language']).toEqual(['de, en;q="0.5"']);
  });

  test('the resource names the service, the host and the process', async () => {
    const main = join(PACKAGE_ROOT, 'dist/main.js');
    const { server } = await chain.hop((await chain.get('/')).traceId);
    expect(server.resource).toMatchObject({
      'service.name': 'haproxy',
      'host.name': expect.any(String),
      'process.pid': chain.agent.process.pid,
      'process.executable.name': basename(process.execPath),
      'process.executable.path': process.execPath,
      'process.command': main,
      'process.command_args': [process.execPath, main, 'run'],
    });
  });
});

test('x-request-id is made where the client sent none', async () => {
  const response = await chain.get('/');
  const requestId = echoed(response)['x-request-id'];
  const { server } = await chain.hop(response.traceId);
  expect(requestId).toBe(`${server.traceId}-${server.spanId}`);
  expect(server.attributes['http.request.header.x-request-id']).toEqual([requestId]);
});

test('persistent connections: each request is a hop of its own', async () => {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  const responses: Response[] = [];
  for (let i = 0; i < 20; i += 1) responses.push(await chain.get(`/kept/${i}`, { agent }));
  agent.destroy();
  expect(new Set(responses.map(({ traceId }) => traceId)).size).toBe(20);
  for (const [i, { traceId }] of responses.entries()) {
    expect((await chain.hop(traceId)).server.attributes['url.path']).toBe(`/kept/${i}`);
  }
});

test('HTTP/2: streams of one connection are hops of their own', async () => {
  const session = connectHttp2(`http://127.0.0.1:${chain.ports.h2}`);
  const traceIds = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const stream = session.request({ ':path': `/h2/${i}` });
      const traceId = await new Promise<string>((resolve) =>
        stream.once('response', (headers) =>
          resolve(serverTimingTraceId(headers['server-timing'])),
        ),
      );
      stream.resume();
      await new Promise((resolve) => stream.once('close', resolve));
      return traceId;
    }),
  );
  session.close();
  for (const [i, traceId] of traceIds.entries()) {
    const { server } = await chain.hop(traceId);
    expect(server.attributes).toMatchObject({
      'url.path': `/h2/${i}`,
      'network.protocol.version': '2',
      'server.address': '127.0.0.1',
      'server.port': chain.ports.h2,
    });
  }
});

test('1,000 requests at a time: 1,000 SERVER and 1,000 CLIENT spans, none of them mixed up', async () => {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1000 });
  const responses = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => chain.get(`/load/${i}`, { agent })),
  );
  agent.destroy();
  const ofLoad = () =>
    chain
      .haproxySpans()
      .filter(
        ({ attributes }) =>
          String(attributes['url.path']).startsWith('/load/') ||
          String(attributes['url.full']).includes('/load/'),
      );
  await until('2,000 spans', () => ofLoad().length >= 2000);
  const spans = ofLoad();
  const servers = spans.filter(({ kind }) => kind === OtlpSpanKind.SERVER);
  const clients = spans.filter(({ kind }) => kind === OtlpSpanKind.CLIENT);
  expect([servers.length, clients.length]).toEqual([1000, 1000]);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(2000);
  const serverOf = new Map(servers.map((span) => [span.traceId, span]));
  const clientOf = new Map(clients.map((span) => [span.traceId, span]));
  expect([serverOf.size, clientOf.size]).toEqual([1000, 1000]);
  for (const [i, response] of responses.entries()) {
    const { traceId, spanId } = ids(echoed(response).traceparent);
    expect(traceId).toBe(response.traceId);
    expect(serverOf.get(traceId)?.attributes['url.path']).toBe(`/load/${i}`);
    expect(clientOf.get(traceId)).toMatchObject({
      spanId,
      parentSpanId: serverOf.get(traceId)?.spanId,
    });
  }
});
