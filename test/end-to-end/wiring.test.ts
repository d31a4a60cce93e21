import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, afterEach, expect, test } from 'vitest';
import { OtlpSpanKind } from '../../src/demo/otlp-receiver.ts';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { Chain, type ChainOptions, get, serverTimingTraceId } from './chain.ts';
import { unread } from './sockets.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-wiring-'));
afterAll(() => rmSync(folder, { recursive: true }));

let chain: Chain | undefined;
afterEach(async () => {
  await chain?.stop();
  chain = undefined;
});

async function start(options: ChainOptions = {}): Promise<Chain> {
  chain = await Chain.start(options);
  return chain;
}

test('the agent over unix sockets', async () => {
  const spop = join(folder, 'spop.sock');
  const records = join(folder, 'records.sock');
  const started = await start({
    agentEnv: { HAPROXY_OTEL_SPOP: `unix:${spop}`, HAPROXY_OTEL_RECORDS: `unix:${records}` },
    add: { spop: `unix:${spop}`, records: `unix:${records}` },
  });
  const { traceId } = await started.get('/unix');
  expect((await started.hop(traceId)).server.attributes['url.path']).toBe('/unix');
});

test('TLS on both sides: https in the scheme of both spans', async () => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
  const pem = join(folder, 'haproxy.pem');
  writeFileSync(pem, `${cert}\n${key}`);
  const https = await freePort();
  const server = createServer({ key, cert }, (_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const started = await start({
    site: (config) =>
      config
        .replace('frontend www\n', `frontend www\n    bind 127.0.0.1:${https} ssl crt ${pem}\n`)
        .replace(
          '\nbackend app\n',
          `\nbackend tls\n    server tls1 127.0.0.1:${port} ssl verify none\n\nbackend app\n`,
        )
        .replace(
          'default_backend app',
          'use_backend tls if { path /tls }\n    default_backend app',
        ),
  });
  const traceId = await new Promise<string>((resolve, reject) => {
    const options = { host: '127.0.0.1', port: https, path: '/tls', rejectUnauthorized: false };
    request(options, (response) => {
      response.resume();
      resolve(serverTimingTraceId(response.headers['server-timing']));
    })
      .once('error', reject)
      .end();
  });
  const { server: span, client } = await started.hop(traceId);
  server.closeAllConnections();
  server.close();
  expect(span.attributes).toMatchObject({
    'url.scheme': 'https',
    'haproxy.frontend.name': 'www',
    'server.port': https,
  });
  expect(client?.attributes['url.full']).toBe(`https://127.0.0.1:${port}/tls`);
});

test('a request whose headers are slow starts with its first byte', async () => {
  const started = await start();
  const pause = 300;
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(started.ports.http, '127.0.0.1', async () => {
      socket.write('GET /slow-headers HTTP/1.1\r\nHost: x\r\n');
      await until('HAProxy to read the first bytes', () => unread(socket) === 0).catch(reject);
      setTimeout(() => socket.write('Connection: close\r\n\r\n'), pause);
    });
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    socket.once('close', () => resolve(text));
    socket.once('error', reject);
  });
  const traceId = serverTimingTraceId(answer);
  const { server, client } = await started.hop(traceId);
  const milliseconds = (from: bigint, to: bigint): number => Number(to - from) / 1e6;
  // Nothing of the pause is in them if it is counted from the end of the headers.
  expect(milliseconds(server.start, server.end)).toBeGreaterThan(pause / 2);
  expect(server.attributes['haproxy.phase.request_ms']).toBeGreaterThan(pause / 2);
  expect(milliseconds(server.start, client?.start ?? 0n)).toBeGreaterThan(pause / 2);
});

test('what ends in a process of HAProxy that is stopping is reported by datagram, once', async () => {
  const started = await start();
  const { ports, haproxy } = started;
  const early = await started.get('/early');
  const before = started.server.requests;
  const late = get(ports.http, '/late?delay=700');
  await until('the server to have it', () => started.server.requests > before);
  haproxy.process.kill('SIGUSR1');
  const { traceId, status } = await late;
  expect(status).toBe(200);
  await started.hop(traceId);
  await until('HAProxy to end', () => haproxy.process.exitCode === 0);
  await started.agent.end();
  const spansOf = (id: string) =>
    started
      .haproxySpans()
      .filter((span) => span.traceId === id && span.kind === OtlpSpanKind.SERVER);
  expect([spansOf(early.traceId).length, spansOf(traceId).length]).toEqual([1, 1]);
});
