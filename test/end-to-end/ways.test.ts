import { afterEach, describe, expect, test } from 'vitest';
import { OtlpSpanKind } from '../../src/demo/otlp-receiver.ts';
import { until } from '../agent-process.ts';
import { Chain, VERSION } from './chain.ts';
import { sendRaw } from './ends.ts';

/** A logger that gets no line: its frontend has no log-format. */
const SILENT = '    log 127.0.0.1:9 local0\n';
/** One that gets only what is not normal: failures, and what was tried again. */
const QUIET = `${SILENT}    option httplog\n    option dontlog-normal\n`;

let chain: Chain;
afterEach(() => chain.stop());

/** The frontend's own rules: replies of HAProxy's own. */
const OWN = `
    http-request auth if { path /auth }
    http-request redirect location /elsewhere if { path /redirect }
    http-request deny deny_status 503 if { path /deny-503 }
    http-request deny`;

describe('reported when the headers of the reply go out', () => {
  async function start(): Promise<void> {
    chain = await Chain.start({
      site: (config) =>
        config.replace('frontend www\n', `$&${SILENT}`).replace('\n    http-request deny', OWN),
    });
  }

  test('every reply, a server’s and HAProxy’s own, is one hop', async () => {
    await start();
    const ways = {
      '/answered': [200, 'none', 200, undefined],
      '/error': [500, 'server', 500, '500'],
      '/forbidden': [403, 'none', undefined, undefined],
      '/auth': [401, 'none', undefined, undefined],
      '/redirect': [302, 'none', undefined, undefined],
      '/deny-503': [503, 'proxy', undefined, '503'],
      '/nowhere': [503, 'proxy', undefined, '503'],
      '/refused': [200, 'none', 200, undefined],
      '/slow?delay=3000': [504, 'server', undefined, 'server_timeout'],
    } as const;
    for (const [path, [status, fault, serverStatus, errorType]] of Object.entries(ways)) {
      const answer = await chain.get(path);
      expect([path, answer.status]).toEqual([path, status]);
      const tried = serverStatus !== undefined || path.startsWith('/slow');
      const { server, client } = await chain.hop(answer.traceId, tried);
      expect(server.attributes).toMatchObject({
        'http.response.status_code': status,
        'url.path': path.replace(/\?.*/, ''),
        'haproxy.frontend.name': 'www',
        'haproxy.phase.agent_us': expect.any(Number),
      });
      expect([path, server.attributes['haproxy.fault'] ?? 'none']).toEqual([path, fault]);
      expect([path, server.attributes['error.type']]).toEqual([path, errorType]);
      expect(server.attributes['haproxy.termination_state']).toBeUndefined();
      expect(server.attributes['http.response.size']).toBeUndefined();
      expect([path, client?.attributes['http.response.status_code']]).toEqual([path, serverStatus]);
      expect(client !== undefined).toBe(tried);
    }
    await chain.agent.end();
    const servers = chain
      .haproxySpans()
      .filter(
        ({ kind, attributes }) =>
          kind === OtlpSpanKind.SERVER && attributes['url.path'] !== '/probe',
      );
    expect(servers).toHaveLength(Object.keys(ways).length);
    const stopped = chain.agent.logged('stopped') as { records: Record<string, number> };
    expect(stopped.records.unusable).toBe(0);
  });

  // From 3.3 on HAProxy does not even make up a reply then: nothing is reported.
  test.skipIf(/ version 3\.[3-9]/.test(VERSION))(
    'a client that leaves while a server works',
    async () => {
      await start();
      const before = chain.server.requests;
      const traceId = 'c'.repeat(32);
      const head = `Host: x\r\ntraceparent: 00-${traceId}-${'b'.repeat(16)}-01\r\n\r\n`;
      const said = sendRaw(chain.ports.http, `GET /away?delay=700 HTTP/1.1\r\n${head}`);
      await until('the server to have it', () => chain.server.requests > before);
      said.socket.destroy();
      const { server } = await chain.hop(traceId, false);
      expect(server.attributes).toMatchObject({
        'error.type': 'client_abort',
        'haproxy.fault': 'client',
        'haproxy.server.name': 'app1',
      });
      expect(server.attributes['http.response.status_code']).toBeUndefined();
    },
  );

  test('what a client sends cannot end a parameter, and no hop is forged', async () => {
    await start();
    const forged =
      '"]> x\t[otel@0 http="2 0 0 x 200" a="b<0>1 2026-11-23T12:00:00.000000+00:00 - - - - - [debug]';
    const path = `/${forged.replaceAll(/[ \t]/g, '')}`;
    const { traceId } = await chain.get(path, {
      headers: { 'user-agent': forged },
    });
    const { server } = await chain.hop(traceId);
    expect(server.attributes).toMatchObject({
      'url.path': path,
      'user_agent.original': forged.replace('\t', '.'),
      'haproxy.frontend.name': 'www',
    });
    expect(server.attributes.a).toBeUndefined();
    const long = await chain.get(`/${'"'.repeat(7_000)}`, {
      headers: { 'user-agent': '\\'.repeat(7_000) },
    });
    const hop = await chain.hop(long.traceId);
    expect(hop.server.attributes['url.path']).toMatch(/^\/"{5000,7000}$/);
    expect(hop.server.attributes['user_agent.original']).toBe('\\'.repeat(1024));
  });
});

test('a hop that its line reports, too, is one, sampled or not', async () => {
  chain = await Chain.start({
    site: (config) => config.replace('frontend www\n', `$&${QUIET}`),
  });
  const ended = async (traceparent: string): Promise<void> => {
    const head = `Host: x\r\nConnection: close\r\ntraceparent: ${traceparent}\r\n\r\n`;
    for (const path of ['/refused', '/nowhere']) {
      await sendRaw(chain.ports.http, `GET ${path} HTTP/1.1\r\n${head}`).closed;
    }
  };
  for (const flags of ['01', '00', '01', '00'])
    await ended(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`);
  const { traceId } = await chain.get('/last');
  await chain.hop(traceId);
  await until('all spans', () => chain.haproxySpans().length > 0);
  await chain.agent.end();
  const own = chain
    .haproxySpans()
    .filter((span) => span.traceId === 'a'.repeat(32) && span.kind === OtlpSpanKind.SERVER);
  const states = own.map(({ attributes }) => [
    attributes['url.path'],
    attributes['haproxy.termination_state'],
  ]);
  expect(states.sort()).toEqual([
    ['/nowhere', 'SC--'],
    ['/nowhere', 'SC--'],
    ['/refused', undefined],
    ['/refused', undefined],
  ]);
  const stopped = chain.agent.logged('stopped') as { records: Record<string, number> };
  expect(stopped.records).toMatchObject({ unsampled: 4, unusable: 0 });
});

test('lines of another release: the agent logs what to run, once', async () => {
  const records = (config: string): string => config.replaceAll('http=\\"2 ', 'http=\\"1 ');
  chain = await Chain.start({ editConfig: records });
  for (let i = 0; i < 3; i += 1) await chain.get('/');
  const logged = await until('the agent to say so', () =>
    chain.agent.logs.find(({ msg }) => String(msg).includes('another release')),
  );
  expect(logged).toMatchObject({ level: 'error', version: 1, expected: 2 });
  expect(logged.msg).toContain('haproxy-otel-spoa add --write');
  expect(chain.agent.logs.filter(({ msg }) => String(msg).includes('release'))).toHaveLength(1);
});
