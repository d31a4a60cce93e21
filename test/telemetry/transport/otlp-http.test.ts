import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import { freePort } from '../../../src/demo/ports.ts';
import type { Env } from '../../../src/settings.ts';
import { ExporterStatus } from '../../../src/telemetry/export/exporter-status.ts';
import type { QueueEvent } from '../../../src/telemetry/export/queue-report.ts';
import { createSignalExporter } from '../../../src/telemetry/export/signal-exporter.ts';
import {
  type HttpResponse,
  resultOf,
  retryDelay,
} from '../../../src/telemetry/transport/http-response.ts';
import type { SendResult } from '../../../src/telemetry/transport/otlp.ts';
import { createOtlpClient } from '../../../src/telemetry/transport/otlp-client.ts';
import { SIGNALS } from '../../../src/telemetry/transport/signal.ts';
import { until } from '../../agent-process.ts';
import { createAuthority } from '../authority.ts';
import { afterwards, receive } from '../exporting-agent.ts';
import { answer, type HttpReceiver, receiveHttp } from '../http-receiver.ts';
import { OTLP_TYPES } from '../otlp-types.ts';
import { Relay } from '../relay.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-http-'));
afterAll(() => rmSync(folder, { recursive: true }));

const REQUEST = Buffer.from('encoded request');
const PROTOBUF = { 'content-type': 'application/x-protobuf' };

function configOf(env: Env) {
  const { traces } = loadConfig({
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    ...env,
  }).telemetry.exporters;
  if (traces.kind !== 'otlp') throw new Error(traces.kind);
  return traces;
}

function clientFor(endpoint: string, env: Env = {}) {
  const client = createOtlpClient(
    'traces',
    configOf({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env }),
  );
  afterwards(() => client.close());
  return client;
}

const at = ({ port }: HttpReceiver): string => `http://127.0.0.1:${port}`;

const sendTo = (endpoint: string, env: Env = {}): Promise<SendResult> =>
  clientFor(endpoint, env).send(REQUEST);

function exporterFor(endpoint: string, env: Env = {}) {
  const config = configOf({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env });
  const events: QueueEvent[] = [];
  const exporter = createSignalExporter('traces', config, {
    limits: { items: 1000, bytes: 1_000_000 },
    status: new ExporterStatus(config),
    onEvent: (event) => events.push(event),
  });
  return { exporter, events };
}

describe('a request', () => {
  test('is posted with its length and the headers that are set', async () => {
    const receiver = await receiveHttp();
    const result = await sendTo(`${at(receiver)}/otlp?tenant=1#part`, {
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=secret,content-length=1,content-type=text/plain',
    });
    expect(result).toEqual({ kind: 'sent', rejected: 0, message: '' });
    expect(receiver.requests).toHaveLength(1);
    expect(receiver.requests[0]).toMatchObject({
      method: 'POST',
      url: '/otlp/v1/traces?tenant=1',
      body: REQUEST,
      headers: {
        'content-type': 'application/x-protobuf',
        'content-length': String(REQUEST.length),
        'api-key': 'secret',
        'user-agent': expect.stringMatching(/^haproxy-otel-spoa\//),
        host: `127.0.0.1:${receiver.port}`,
      },
    });
    expect(receiver.requests[0]?.headers).not.toHaveProperty('transfer-encoding');
  });

  test('is compressed where that is set, and has a length then, too', async () => {
    const receiver = await receiveHttp();
    await sendTo(at(receiver), { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' });
    const { headers, body } = receiver.requests[0] ?? {};
    expect(body).toEqual(REQUEST);
    expect(headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-length': expect.stringMatching(/^\d+$/),
    });
  });

  test("has the name and password of a URL, unless a header says who's there", async () => {
    const receiver = await receiveHttp();
    const endpoint = `http://me%40home:pass@127.0.0.1:${receiver.port}`;
    await sendTo(endpoint);
    await sendTo(endpoint, { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x' });
    expect(receiver.requests.map(({ headers }) => headers.authorization)).toEqual([
      `Basic ${Buffer.from('me@home:pass').toString('base64')}`,
      'Bearer x',
    ]);
  });

  test('goes out on a persistent connection', async () => {
    const receiver = await receiveHttp();
    const client = clientFor(at(receiver));
    for (let i = 0; i < 5; i += 1) await client.send(REQUEST);
    expect([receiver.requests.length, receiver.connections]).toEqual([5, 1]);
  });

  test('goes out again at once where an idle connection was closed meanwhile', async () => {
    const receiver = await receiveHttp((response, index) => {
      if (index === 1) response.socket?.destroy();
      else answer(response, 200);
    });
    const client = clientFor(at(receiver));
    await client.send(REQUEST);
    expect(await client.send(REQUEST)).toMatchObject({ kind: 'sent' });
    expect([receiver.requests.length, receiver.connections]).toEqual([3, 2]);
  });

  test('waits where a new connection breaks', async () => {
    const receiver = await receiveHttp((response) => response.socket?.destroy());
    expect(await sendTo(at(receiver))).toMatchObject({
      kind: 'retryable',
      reason: expect.stringContaining(`127.0.0.1:${receiver.port}: socket hang up`),
    });
    expect(receiver.requests).toHaveLength(1);
  });

  test('reaches unix sockets, abstract ones too', async () => {
    const path = join(folder, 'otlp.sock');
    const [file, abstract] = [
      await receiveHttp(undefined, { path }),
      await receiveHttp(undefined, { path: `\0otlp-${process.pid}` }),
    ];
    expect(await sendTo(`unix://${path}`)).toMatchObject({ kind: 'sent' });
    expect(await sendTo(`unix-abstract:otlp-${process.pid}`)).toMatchObject({ kind: 'sent' });
    expect([file, abstract].map(({ requests }) => requests[0]?.url)).toEqual([
      '/v1/traces',
      '/v1/traces',
    ]);
  });
});

describe('an answer', () => {
  const result = (
    status: number,
    headers: HttpResponse['headers'] = {},
    body: string | Uint8Array = '',
  ): SendResult =>
    resultOf(
      { status, headers, body: Buffer.from(body) },
      SIGNALS.traces,
      'collector:4318',
      '/v1/traces',
    );

  test.each([429, 502, 503, 504])('%d is asked again', (status) => {
    expect(result(status, { 'retry-after': '7' })).toMatchObject({
      kind: 'retryable',
      delay: 7000,
    });
    expect(result(status)).toMatchObject({ kind: 'retryable', delay: undefined });
  });

  test.each([400, 401, 403, 404, 408, 409, 415, 422, 500, 501, 505, 301, 307, 308])(
    '%d is final',
    (status) => {
      expect(result(status)).toMatchObject({ kind: 'refused' });
    },
  );

  test('413 is a size', () => {
    expect(result(413).kind).toBe('too_large');
  });

  test('Retry-After is seconds or a date', () => {
    const now = Date.parse('2026-11-30T10:00:00Z');
    const delays = [
      '0',
      '120',
      'Mon, 30 Nov 2026 10:00:05 GMT',
      'Mon, 30 Nov 2026 09:00:00 GMT',
      '-1',
      'soon',
      '',
      undefined,
    ].map((value) => retryDelay(value, now));
    expect(delays).toEqual([0, 120_000, 5000, 0, ...Array(4).fill(undefined)]);
  });

  test.each([
    ['a Status', PROTOBUF, Uint8Array.of(8, 3, 18, 3, 98, 97, 100), 'HTTP 400 Bad Request: bad'],
    [
      'a Status in JSON',
      { 'content-type': 'application/json; charset=utf-8' },
      '{"code":3,"message":"no such tenant"}',
      'HTTP 400 Bad Request: no such tenant',
    ],
    [
      'a text',
      { 'content-type': 'text/plain' },
      ' no\r\ntenant\n',
      'HTTP 400 Bad Request: no tenant',
    ],
    [
      'a page',
      { 'content-type': 'text/html' },
      '<html><head><title>Nope</title></head></html>',
      'HTTP 400 Bad Request: Nope',
    ],
    ['what is no JSON', { 'content-type': 'application/json' }, '{', 'HTTP 400 Bad Request'],
    ['nothing', {}, '', 'HTTP 400 Bad Request'],
  ])('is repeated in the reason: %s', (_name, headers, body, reason) => {
    expect(result(400, headers, body)).toEqual({ kind: 'refused', reason });
  });

  test.each([
    [
      308,
      { location: 'https://u:geheim@other/v1/traces?token=geheim' },
      'redirects to https://other/v1/traces, ',
    ],
    [401, {}, 'does not accept what OTEL_EXPORTER_OTLP_HEADERS'],
    [404, {}, 'collector:4318 has no OTLP receiver at /v1/traces: '],
  ])('%d is explained in words of the settings', (status, headers, words) => {
    const { reason } = result(status, headers) as { reason: string };
    expect(reason).toContain(words);
    expect(reason).not.toContain('geheim');
  });

  const partial = (rejectedSpans: number, errorMessage: string): Uint8Array =>
    OTLP_TYPES.traces.response.encode({ partialSuccess: { rejectedSpans, errorMessage } }).finish();

  test.each<[string, HttpResponse['headers'], string | Uint8Array, number, string]>([
    ['nothing', {}, '', 0, ''],
    ['an empty response', PROTOBUF, Uint8Array.of(), 0, ''],
    ['rejected spans', PROTOBUF, partial(3, 'too old'), 3, 'too old'],
    ['a message alone', PROTOBUF, partial(0, 'use less'), 0, 'use less'],
    [
      'a compressed response',
      { ...PROTOBUF, 'content-encoding': 'gzip' },
      gzipSync(partial(2, 'x')),
      2,
      'x',
    ],
    [
      'JSON, where numbers are text',
      { 'content-type': 'application/json' },
      '{"partialSuccess":{"rejectedSpans":"4","errorMessage":"late"}}',
      4,
      'late',
    ],
    ['JSON without it', { 'content-type': 'application/json' }, '{}', 0, ''],
    [
      'a text',
      { 'content-type': 'text/plain' },
      'OK',
      0,
      'HTTP 200 with text/plain that is no OTLP response',
    ],
    [
      'what is no protobuf',
      PROTOBUF,
      Uint8Array.of(0x0a, 0xff),
      0,
      'HTTP 200 with application/x-protobuf that is no OTLP response',
    ],
  ])('200 with %s accepts', (_name, headers, body, rejected, message) => {
    expect(result(200, headers, body)).toEqual({ kind: 'sent', rejected, message });
  });

  test.each([{ 'content-type': 'text/html; charset=utf-8' }, {}])(
    '200 with a page does not, it is in front of the receiver',
    (headers) => {
      expect(result(200, headers, '<!doctype html><p>It works!</p>')).toMatchObject({
        kind: 'retryable',
        reason: expect.stringContaining('collector:4318 answers with a page (text/html)'),
      });
    },
  );

  test('that is endless is read no further', async () => {
    const receiver = await receiveHttp((response) => {
      response.writeHead(200, PROTOBUF);
      const write = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', write);
      write();
    });
    expect(await sendTo(at(receiver))).toMatchObject({
      kind: 'retryable',
      reason: expect.stringContaining('an answer of more than 4194304 bytes'),
    });
  });
});

test.each(['0', 'Mon, 30 Nov 2020 10:00:00 GMT'])(
  'Retry-After: %s is no reason to ask without a pause',
  async (value) => {
    const receiver = await receiveHttp((response, index) => {
      if (index < 3) answer(response, 429, { 'retry-after': value });
      else answer(response, 200);
    });
    const { exporter, events } = exporterFor(at(receiver));
    exporter.push({ bytes: REQUEST, items: 2 });
    await until('the batch', () => exporter.counts.exported === 2);
    const times = receiver.requests.map(({ at: time }) => time);
    const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    expect(pauses).toHaveLength(3);
    expect(Math.min(...pauses)).toBeGreaterThan(200);
    expect(events.map(({ kind }) => kind)).toEqual(['failing', 'recovered']);
  },
);

test('messages and rejected spans are one event an episode, counted, and never sent again', async () => {
  const message = { errorMessage: 'use less' };
  const receiver = await receiveHttp((response, index) => {
    const rejected = index < 3 ? {} : { rejectedSpans: 1 };
    const body = OTLP_TYPES.traces.response.encode({ partialSuccess: { ...message, ...rejected } });
    answer(response, 200, PROTOBUF, body.finish());
  });
  const { exporter, events } = exporterFor(at(receiver));
  for (let i = 1; i <= 6; i += 1) {
    exporter.push({ bytes: REQUEST, items: 2 });
    await until('the answer', () => exporter.waiting === 0);
  }
  expect(receiver.requests).toHaveLength(6);
  expect(exporter.counts).toEqual({
    exported: 9,
    refused: 3,
    warnings: 3,
    dropped: 0,
    retries: 0,
  });
  expect(events).toEqual([
    { kind: 'warned', reason: 'use less' },
    { kind: 'refused', reason: 'use less' },
  ]);
});

test('a request of 64 MiB is never made', async () => {
  const receiver = await receiveHttp();
  const { exporter, events } = exporterFor(at(receiver));
  exporter.push({ bytes: Buffer.alloc(64 * 1024 * 1024), items: 1 });
  await until('the refusal', () => exporter.counts.refused === 1);
  expect(events[0]).toMatchObject({ kind: 'refused', reason: 'a request of 67108864 bytes' });
  expect(receiver.requests).toEqual([]);
});

describe('a connection', () => {
  test('without an answer ends with the timeout, and so do idle ones beside it', async () => {
    const receiver = await receiveHttp();
    const relay = await Relay.start(receiver.port);
    afterwards(() => relay.stop());
    const client = clientFor(`http://127.0.0.1:${relay.port}`, {
      OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
    });
    await Promise.all(Array.from({ length: 4 }, () => client.send(REQUEST)));
    expect(relay.established).toBe(4);
    relay.forget();
    expect(await client.send(REQUEST)).toMatchObject({
      kind: 'retryable',
      reason: expect.stringContaining('no answer within 2000 ms'),
    });
    expect(await client.send(REQUEST)).toMatchObject({ kind: 'sent' });
    await until('the dead connections to be closed', () => relay.established === 1);
  });

  test('that others were beside when one failed is not reused', async () => {
    const receiver = await receiveHttp((response, index) => {
      if (index === 0) response.socket?.destroy();
      else setTimeout(() => answer(response, 200), 100);
    });
    const client = clientFor(at(receiver));
    const results = await Promise.all([client.send(REQUEST), client.send(REQUEST)]);
    expect(results.map(({ kind }) => kind).sort()).toEqual(['retryable', 'sent']);
    await until('both to be closed', () => receiver.open === 0);
  });

  test('whose answer stops half-way ends with the timeout', async () => {
    const receiver = await receiveHttp((response) => {
      response.writeHead(200, { ...PROTOBUF, 'content-length': '100' });
      response.write('x');
    });
    expect(await sendTo(at(receiver), { OTEL_EXPORTER_OTLP_TIMEOUT: '200' })).toMatchObject({
      kind: 'retryable',
      reason: expect.stringContaining('no answer within 200 ms'),
    });
  });

  test('that is closed behind an answer before all was read has the answer', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.pause();
        socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n');
        setTimeout(() => socket.destroy(), 100);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    afterwards(() => server.close());
    const { port } = server.address() as { port: number };
    const client = clientFor(`http://127.0.0.1:${port}`);
    expect(await client.send(Buffer.alloc(16_000_000))).toMatchObject({ kind: 'too_large' });
  });

  test('that nobody accepts is tried again', async () => {
    const port = await freePort();
    expect(await sendTo(`http://127.0.0.1:${port}`)).toMatchObject({
      kind: 'retryable',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('closes after what is on its way', async () => {
    const receiver = await receiveHttp((response) => setTimeout(() => answer(response, 200), 50));
    const client = clientFor(at(receiver));
    const sending = client.send(REQUEST);
    client.close();
    expect(await sending).toMatchObject({ kind: 'sent' });
  });
});

describe('TLS', async () => {
  const { authority, issue } = await createAuthority();
  const server = await issue('localhost');
  const client = await issue('agent');
  const pem = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const OTEL_EXPORTER_OTLP_CERTIFICATE = pem('ca.pem', authority);
  const tls = { key: server.private, cert: server.cert };

  test('the receiver is known by its authority, and knows the agent by its certificate', async () => {
    const receiver = await receiveHttp(undefined, {
      tls: { ...tls, ca: authority, requestCert: true, rejectUnauthorized: true },
    });
    const endpoint = `https://localhost:${receiver.port}`;
    expect(await sendTo(endpoint, { OTEL_EXPORTER_OTLP_CERTIFICATE })).toMatchObject({
      kind: 'retryable',
    });
    const identity = {
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pem('client.pem', client.cert),
      OTEL_EXPORTER_OTLP_CLIENT_KEY: pem('client.key', client.private),
    };
    expect(await sendTo(endpoint, { OTEL_EXPORTER_OTLP_CERTIFICATE, ...identity })).toMatchObject({
      kind: 'sent',
    });
  });

  test('what cannot be used is an error at once', () => {
    const file = pem('none.pem', 'nothing');
    expect(() =>
      clientFor('https://localhost:1', { OTEL_EXPORTER_OTLP_CERTIFICATE: file }),
    ).toThrow(`${file} is not a certificate in PEM format`);
  });

  const plain = async () => at(await receiveHttp());
  const secure = async () => `https://localhost:${(await receiveHttp(undefined, { tls })).port}`;
  const other = (url: string): string =>
    url.startsWith('https') ? url.replace('https', 'http') : url.replace('http', 'https');

  test.each<[string, () => Promise<string>, string]>([
    ['another authority', secure, 'OTEL_EXPORTER_OTLP_CERTIFICATE has to name'],
    ['a receiver without TLS', async () => other(await plain()), 'has to begin with http://'],
    ['a receiver with TLS', async () => other(await secure()), 'has to begin with https://'],
    [
      'a gRPC receiver',
      async () => (await receive()).endpoint,
      'does not answer in HTTP/1.1: OTEL_EXPORTER_OTLP_ENDPOINT has to name',
    ],
  ])('%s is logged in terms of the settings, and spans wait', async (_name, start, words) => {
    expect(await sendTo(await start())).toMatchObject({
      kind: 'retryable',
      reason: expect.stringContaining(words),
    });
  });

  describe('through a proxy', () => {
    /** One that connects everywhere to this port, and passes requests on there. */
    async function startProxy(to: number, refusal?: number) {
      const asked: string[] = [];
      const proxy = createHttpServer((request, response) => {
        asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`);
        request.resume();
        answer(response, refusal ?? 200);
      });
      proxy.on('connect', (request, socket) => {
        asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization']}`);
        if (refusal !== undefined) {
          socket.end(`HTTP/1.1 ${refusal} No\r\n\r\n`);
          return;
        }
        const onward = connect(to, '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          socket.pipe(onward).pipe(socket);
        });
        for (const end of [socket, onward]) end.on('error', () => {});
        afterwards(() => onward.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      afterwards(() => {
        proxy.closeAllConnections();
        proxy.close();
      });
      const { port } = proxy.address() as { port: number };
      return { asked, url: `http://user:word@127.0.0.1:${port}` };
    }
    const BASIC = `Basic ${Buffer.from('user:word').toString('base64')}`;

    test.each([
      ['collector.internal', { kind: 'sent' }],
      ['localhost', { kind: 'retryable', reason: expect.stringMatching(/altnames/) }],
    ])(
      'HTTPS is tunnelled, to the receiver that has a certificate for %s',
      async (host, result) => {
        const { cert, private: key } = await issue('receiver', host);
        const receiver = await receiveHttp(undefined, { tls: { cert, key } });
        const proxy = await startProxy(receiver.port);
        const client = clientFor('https://collector.internal/otlp', {
          HTTPS_PROXY: proxy.url,
          OTEL_EXPORTER_OTLP_CERTIFICATE,
        });
        expect(await client.send(REQUEST)).toMatchObject(result);
        await client.send(REQUEST);
        const tunnel = `CONNECT collector.internal:443 ${BASIC}`;
        expect(proxy.asked).toEqual(host === 'localhost' ? [tunnel, tunnel] : [tunnel]);
        expect(receiver.requests.map(({ url }) => url)).toEqual(
          host === 'localhost' ? [] : ['/otlp/v1/traces', '/otlp/v1/traces'],
        );
      },
    );

    test('HTTP is passed on', async () => {
      const proxy = await startProxy(1);
      expect(
        await sendTo('http://collector.internal:4318', { http_proxy: proxy.url }),
      ).toMatchObject({ kind: 'sent' });
      expect(proxy.asked).toEqual([`POST http://collector.internal:4318/v1/traces ${BASIC}`]);
    });

    test.each([
      ['https', 'HTTPS_PROXY', 'it answered CONNECT with 407'],
      ['http', 'HTTP_PROXY', 'HTTP 407'],
    ])('%s that it refuses waits', async (scheme, variable, words) => {
      const proxy = await startProxy(1, 407);
      expect(
        await sendTo(`${scheme}://collector.internal:4318`, { [variable]: proxy.url }),
      ).toMatchObject({ kind: 'retryable', reason: expect.stringContaining(words) });
    });

    test('what is for loopback, or excepted, does not go there', async () => {
      const receiver = await receiveHttp();
      const proxy = await startProxy(1);
      await sendTo(at(receiver), { http_proxy: proxy.url, HTTPS_PROXY: proxy.url });
      expect([receiver.requests.length, proxy.asked]).toEqual([1, []]);
      const excepted = configOf({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.internal',
        HTTPS_PROXY: proxy.url,
        NO_PROXY: '.internal',
      });
      expect(excepted.proxy).toBeUndefined();
    });
  });
});

test('a peer that accepts and never speaks is left after the time for a connection or an answer', async () => {
  const silent = createTcpServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const sockets: Socket[] = [];
  silent.on('connection', (socket) => sockets.push(socket));
  afterwards(() => {
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = silent.address() as { port: number };
  expect(
    await sendTo(`http://127.0.0.1:${port}`, { OTEL_EXPORTER_OTLP_TIMEOUT: '200' }),
  ).toMatchObject({
    kind: 'retryable',
    reason: expect.stringContaining('no answer within 200 ms'),
  });
});
