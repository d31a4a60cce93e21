import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { OtlpStatus } from '../../src/demo/otlp-receiver.ts';
import { Chain, echoed, HttpAgent, VERSION } from './chain.ts';

/** The shipped configuration without its log lines and its ring, on the engine that needs neither. */
function withoutLogs(config: string): string {
  return config
    .replace(/\nring otel\n[\s\S]*?\.endif\n/, '\n')
    .replaceAll(
      /^ {4}(log ring@otel|log 127|error-log-format|log-format|option log-separate).*\n/gm,
      '',
    )
    .replaceAll(/^ {4}http-re\w+ +set-log-level.*\n/gm, '')
    .replace('spoe/otel.conf', 'spoe/otel-finish.conf');
}

/** From 3.0 on HAProxy has its timers at this moment too. */
const TIMERS = VERSION.includes('version 2.')
  ? {}
  : {
      'haproxy.phase.queue_ms': 0,
      'haproxy.phase.connect_ms': expect.any(Number),
      'haproxy.phase.response_ms': expect.any(Number),
    };

let chain: Chain;
beforeAll(async () => {
  chain = await Chain.start({
    editConfig: (config) =>
      withoutLogs(config).replace(
        '    http-request deny',
        '    http-request set-log-level silent if { path /quiet }\n    http-request deny',
      ),
  });
}, 60_000);
afterAll(() => chain.stop());

test('the configuration has no log line of ours left', () => {
  const shipped = readFileSync(join(PACKAGE_ROOT, 'haproxy/haproxy.cfg'), 'utf8');
  expect(withoutLogs(shipped)).not.toMatch(/ring@otel|^ {4}(error-)?log-format/m);
});

test('a hop is told when its response headers are there', async () => {
  const before = BigInt(Date.now()) * 1_000_000n;
  const response = await chain.get('/api/orders?delay=40&sig=secret', {
    headers: {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'a=1',
      'user-agent': 'tester/1.0',
      host: 'shop.example:8443',
      'x-request-id': 'req-1',
    },
  });
  const { server, client } = await chain.hop(response.traceId);
  expect(server).toMatchObject({
    name: 'GET /api/:name',
    parentSpanId: 'b7ad6b7169203331',
    status: OtlpStatus.UNSET,
    traceState: 'a=1',
  });
  expect(server.attributes).toEqual({
    'http.request.method': 'GET',
    'http.route': '/api/:name',
    'url.scheme': 'http',
    'url.path': '/api/orders',
    'url.query': 'delay=40&sig=REDACTED',
    'server.address': 'shop.example',
    'server.port': 8443,
    'client.address': '127.0.0.1',
    'client.port': expect.any(Number),
    'network.peer.address': '127.0.0.1',
    'network.peer.port': expect.any(Number),
    'network.protocol.version': '1.1',
    'user_agent.original': 'tester/1.0',
    'http.request.header.x-request-id': ['req-1'],
    'http.response.status_code': 200,
    'haproxy.frontend.name': 'www',
    'haproxy.backend.name': 'app',
    'haproxy.server.name': 'app1',
    'haproxy.phase.agent_us': expect.any(Number),
    ...TIMERS,
  });
  expect(client).toMatchObject({ parentSpanId: server.spanId, name: 'GET' });
  expect(client?.attributes).toMatchObject({
    'server.address': '127.0.0.1',
    'server.port': chain.ports.server,
    'url.full': `http://127.0.0.1:${chain.ports.server}/api/orders?delay=40&sig=REDACTED`,
    'http.response.status_code': 200,
  });
  expect(echoed(response).traceparent).toContain(client?.spanId);
  expect(server.start).toBeGreaterThan(before - 1_000_000n);
  expect(Number(server.end - server.start) / 1e6).toBeGreaterThan(39);
  expect(client?.start).toBeGreaterThanOrEqual(server.start);
});

test('a 5xx of the server is told as such', async () => {
  const { server, client } = await chain.hop((await chain.get('/error')).traceId);
  expect([server.status, client?.status]).toEqual([OtlpStatus.ERROR, OtlpStatus.ERROR]);
  expect(server.attributes).toMatchObject({ 'error.type': '500', 'haproxy.fault': 'server' });
});

test('from 3.0 on: retries too', async () => {
  const { client } = await chain.hop((await chain.get('/refused')).traceId);
  expect(client?.attributes['haproxy.server.name']).toBe('app1');
  const told = 'http.request.resend_count' in (client?.attributes ?? {});
  expect(told).toBe(Object.keys(TIMERS).length > 0);
});

test('what is silenced in the log has its hop', async () => {
  const { traceId } = await chain.get('/quiet');
  expect((await chain.hop(traceId)).server.attributes['url.path']).toBe('/quiet');
});

test('what no server answered has no hop, and what was not sampled neither', async () => {
  const unseen = [await chain.get('/nowhere'), await chain.get('/forbidden')];
  const traceId = 'd'.repeat(32);
  await chain.get('/', { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-00` } });
  await chain.hop((await chain.get('/last')).traceId);
  const traces = new Set(chain.haproxySpans().map((span) => span.traceId));
  expect(
    [...unseen.map((response) => response.traceId), traceId].filter((id) => traces.has(id)),
  ).toEqual([]);
});

test('a steady load is told whole, and so is what comes right before a stop', async () => {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 4 });
  const responses = await Promise.all(
    Array.from({ length: 300 }, (_, i) => chain.get(`/steady/${i}`, { agent })),
  );
  agent.destroy();
  expect(await chain.agent.end()).toBe(0);
  const traces = new Set(chain.haproxySpans().map((span) => span.traceId));
  expect(responses.filter(({ traceId }) => !traces.has(traceId))).toEqual([]);
  expect(chain.agent.logged('stopped')).toMatchObject({ records: { unusable: 0 } });
});
