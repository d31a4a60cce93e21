import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OtlpStatus, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { SERVER_TIMING } from './added.ts';
import { Chain, VERSION as HAPROXY_VERSION, serverTimingTraceId } from './chain.ts';
import { droppingPort } from './ends.ts';
import { patientChecks, patientEngine } from './patient-engine.ts';
import { runCommand } from './runtime-api.ts';

const VERSION = Number(/version (\d+\.\d+)/.exec(HAPROXY_VERSION)?.[1]);
const CONNECT_TIMEOUT = 400;
const SLOW_FAILURE = 300;

/** A server that records what it is sent, and behaves as the path has it. */
class NotingServer {
  readonly requests: {
    readonly line: string;
    readonly at: number;
    readonly traceparent: string;
  }[] = [];
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();

  async listen(where: string | number): Promise<number> {
    const server = createServer((socket) => this.serve(socket));
    this.servers.push(server);
    if (typeof where === 'string') server.listen(where);
    else server.listen(where, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Stops listening where it began to listen last. */
  async close(): Promise<void> {
    const server = this.servers.pop();
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => server?.close(resolve));
  }

  async stop(): Promise<void> {
    while (this.servers.length > 0) await this.close();
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket)).on('error', () => {});
    let head = '';
    socket.on('data', (bytes) => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const [line = ''] = head.split('\r\n');
      const traceparent = /^traceparent: (.*)$/im.exec(head)?.[1]?.trim() ?? '';
      head = '';
      this.requests.push({ line, at: Date.now(), traceparent });
      if (line.includes('/fails-once') && this.tries(line) === 1) {
        setTimeout(() => socket.destroy(), SLOW_FAILURE);
        return;
      }
      const body = 'x'.repeat(line.includes('/large') ? 20_000 : 2);
      const status = line.includes('/busy') ? '503 Busy' : '200 OK';
      socket.write(
        `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
  }

  private tries(line: string): number {
    return this.requests.filter((request) => request.line === line).length;
  }
}

const FRONTEND_RULES = `
    bind unix@SOCKET name front
    bind :::MAPPED v4v6
    http-request set-src req.hdr(x-client) if { req.hdr(x-client) -m found }
    http-request deny deny_status 403 if { path /deny }
    http-request set-path /frontend%[path] if { path_beg /rewritten/ }
    http-response set-status 200 if { var(txn.otel.target) -m sub /mended } { status 503 }
    use_backend %[path,word(1,/)] if { path_beg /to- }
    use_backend to-server if { path_beg /frontend/ }
    use_backend to-server if METH_CONNECT or { method OPTIONS }
`;

function backends(ports: { server: number; dropping: number; late: number }): string {
  const server = `server s1 127.0.0.1:${ports.server}`;
  const refused = 'server r1 127.0.0.1:9';
  const dropping = `server d1 127.0.0.1:${ports.dropping}`;
  return `
backend to-server
    ${server}

backend to-path
    http-request set-path /backend%[path]
    ${server}

backend to-replaced
    http-request replace-path /to-replaced/(.*) /\\1
    http-request set-query a=1
    ${server}

backend to-uri
    http-request set-uri http://other.example/uri%[path]
    ${server}

backend to-broken
    http-response set-status 503
    ${server}

backend to-mended
    http-response set-status 200 if { status 503 }
    ${server}

backend to-denied
    http-response deny deny_status 403
    ${server}

backend to-compressed
    compression algo gzip
    compression type text/plain
    ${server}

backend to-unix
    server u1 unix@FOLDER/server.sock

backend to-redispatched
    balance first
    option redispatch 1
    retries 2
    timeout connect ${CONNECT_TIMEOUT}ms
    ${dropping}
    ${server}

backend to-timed-out
    no option redispatch
    retries 1
    timeout connect ${CONNECT_TIMEOUT}ms
    ${dropping}

backend to-refused
    retries 2
    timeout connect ${CONNECT_TIMEOUT}ms
    ${refused}

backend to-late
    no option redispatch
    retries 60
    timeout connect ${CONNECT_TIMEOUT}ms
    server s1 127.0.0.1:${ports.late}

backend to-again
    retries 1
    no option redispatch
    retry-on empty-response conn-failure
    ${server}

backend to-another
    balance roundrobin
    retries 1
    option redispatch 1
    retry-on empty-response conn-failure
    ${server}
    server s2 127.0.0.1:${ports.server}

backend tcp-redispatched
    mode tcp
    balance first
    option redispatch 1
    timeout connect ${CONNECT_TIMEOUT}ms
    ${dropping}
    ${server}

listen whole
    bind 127.0.0.1:WHOLE
    ${SERVER_TIMING}
    unique-id-format %ci:%cp
    unique-id-header X-Id
    http-request replace-path /in/(.*) /out/\\1
    ${server}
`;
}

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-truth-'));
const server = new NotingServer();
let chain: Chain;
let serverPort: number;
let latePort: number;
let mappedPort: number;
let listenPort: number;
let endDropping: () => void;

beforeAll(async () => {
  serverPort = await server.listen(0);
  await server.listen(join(folder, 'server.sock'));
  const dropping = await droppingPort();
  endDropping = dropping.end;
  latePort = await freePort();
  mappedPort = await freePort();
  listenPort = await freePort();
  chain = await Chain.start({
    add: { trust: '192.0.2.0/24,bind:front', engine: patientEngine(folder) },
    editConfig: patientChecks,
    site: (config) => {
      const edited = config
        .replace('global\n', `global\n    stats socket ${join(folder, 'stats.sock')}\n`)
        .replace(
          / {4}http-request deny deny_status 403 if[\s\S]*?(?= {4}default_backend app\n)/,
          FRONTEND_RULES,
        )
        .replace('SOCKET', join(folder, 'front.sock'))
        .replace('MAPPED', String(mappedPort))
        .replace('default_backend tcp-app', 'default_backend tcp-redispatched');
      return `${edited}${backends({
        server: serverPort,
        dropping: dropping.port,
        late: latePort,
      })
        .replace('FOLDER', folder)
        .replace('WHOLE', String(listenPort))}`;
    },
  });
});

afterAll(async () => {
  await chain.stop();
  await server.stop();
  endDropping();
  rmSync(folder, { recursive: true });
});

type Seen = {
  readonly server: ReceivedSpan;
  readonly client: ReceivedSpan | undefined;
  /** Bytes that came back. */
  readonly answer: string;
  /** Milliseconds until the answer was there, as the client saw it. */
  readonly lasted: number;
};

/** Sends bytes, reads until the headers and, where the connection is to close, all that follows. */
async function exchange(where: string | number, head: string): Promise<Seen> {
  const before = performance.now();
  const socket = typeof where === 'string' ? connect(where) : connect(where, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  socket.once('error', () => {});
  const closed = once(socket, 'close');
  socket.write(head);
  await until('an answer', () => answer.includes('\r\n\r\n'));
  const lasted = performance.now() - before;
  // A tunnel stays open until somebody leaves.
  if (!/^connection: close$/im.test(head)) socket.destroy();
  await closed;
  const traceId = serverTimingTraceId(/^server-timing: (.*)$/im.exec(answer)?.[1]);
  const { server: span, client } = await chain.hop(traceId, false);
  return { server: span, client, answer, lasted };
}

function get(path: string, { headers = '', method = 'GET', where }: Options = {}): Promise<Seen> {
  const head = `${method} ${path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${headers}\r\n`;
  return exchange(where ?? chain.ports.http, head);
}

type Options = {
  readonly headers?: string;
  readonly method?: string;
  readonly where?: string | number;
};

/** Milliseconds. */
function lengthOf(span: ReceivedSpan | undefined): number {
  return span === undefined ? 0 : Number(span.end - span.start) / 1e6;
}

describe('a request that was tried more than once: its CLIENT span begins with the first try', () => {
  const tries: readonly [string, string, number, number, () => Promise<void>][] = [
    [
      'a connect that timed out, then another server',
      '/to-redispatched/',
      200,
      CONNECT_TIMEOUT,
      async () => {},
    ],
    [
      'two connects to one server that timed out',
      '/to-timed-out/',
      503,
      2 * CONNECT_TIMEOUT,
      async () => {},
    ],
    [
      'three that were refused, with pauses between them',
      '/to-refused/',
      503,
      2 * CONNECT_TIMEOUT,
      async () => {},
    ],
    [
      'an empty answer, then the same server',
      '/to-again/fails-once',
      200,
      SLOW_FAILURE,
      async () => {},
    ],
    [
      'an empty answer, then another server',
      '/to-another/fails-once',
      200,
      SLOW_FAILURE,
      async () => {},
    ],
    [
      'a server that refused, and was there after the pause',
      '/to-late/',
      200,
      CONNECT_TIMEOUT,
      async () => {
        const retried = /^to-late,s1,(?:[^,]*,){13}[1-9]/m;
        void until('HAProxy to try again', async () =>
          retried.test(await runCommand(join(folder, 'stats.sock'), 'show stat')),
        ).then(() => server.listen(latePort));
      },
    ],
  ];
  test.each(tries)('%s', async (_name, path, status, expected, prepare) => {
    await prepare();
    const first = server.requests.length;
    const { server: span, client, lasted } = await get(path);
    if (path === '/to-late/') await server.close();
    expect(span.attributes['http.response.status_code']).toBe(status);
    expect(client?.attributes['http.request.resend_count']).toBeGreaterThan(0);
    // All of it was spent with servers.
    expect(lengthOf(client)).toBeGreaterThan(expected - 5);
    expect(lengthOf(client)).toBeLessThanOrEqual(lasted + 5);
    // What is not spent there is what this machine needs for the rest.
    const rest = lasted - expected + 5;
    expect(Number((client?.start ?? 0n) - span.start) / 1e6).toBeLessThan(rest);
    for (const { attributes } of [span, client ?? span]) {
      expect(attributes['haproxy.phase.queue_ms']).toBe(0);
      const retry = Number(attributes['haproxy.phase.retry_ms']);
      expect(retry).toBeGreaterThan(expected - 5);
      expect(retry).toBeLessThanOrEqual(lasted + 1);
      expect(Number(attributes['haproxy.phase.connect_ms'] ?? 0)).toBeLessThan(rest);
    }
    // No span of a server's own begins before its parent.
    for (const { at, traceparent } of server.requests.slice(first)) {
      expect(traceparent).toContain(client?.spanId);
      expect(at + 2).toBeGreaterThanOrEqual(Number((client?.start ?? 0n) / 1_000_000n));
    }
  });

  test('of a connection too', async () => {
    const known = new Set(chain.haproxySpans().map(({ spanId }) => spanId));
    const socket = connect(chain.ports.tcp, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n');
    await once(socket, 'data');
    socket.end();
    const span = await until('its span', () =>
      chain.haproxySpans().find(({ spanId, name }) => name === 'tcp tcp' && !known.has(spanId)),
    );
    expect(span.attributes).toMatchObject({
      'haproxy.retries': 1,
      'haproxy.redispatched': true,
      'haproxy.server.name': 's1',
      'haproxy.phase.queue_ms': 0,
    });
    expect(Number(span.attributes['haproxy.phase.retry_ms'])).toBeGreaterThan(CONNECT_TIMEOUT - 5);
  });

  test('one that was not has none', async () => {
    const { server: span, client } = await get('/to-server/');
    expect(span.attributes).not.toHaveProperty('haproxy.phase.retry_ms');
    expect(client?.attributes).not.toHaveProperty('haproxy.phase.retry_ms');
  });
});

describe('url.full is what the server was sent, url.path what the client sent', () => {
  test.each([
    ['/to-server/as?it=is', '/to-server/as?it=is'],
    ['/rewritten/a', '/frontend/rewritten/a'],
    ['/to-path/a?b=1', '/backend/to-path/a?b=1'],
    ['/to-replaced/a?b=1', '/a?a=1'],
    ['/to-uri/a', '/uri/to-uri/a'],
    ['/to-server/"\\', '/to-server/"\\'],
  ])('%s', async (path, sent) => {
    const { server: span, client } = await get(path);
    expect(server.requests.at(-1)?.line).toContain(sent);
    expect(span.attributes['url.path']).toBe(path.split('?')[0]);
    expect(span.attributes['url.query']).toBe(path.split('?')[1]);
    expect(client?.attributes['url.full']).toBe(`http://127.0.0.1:${serverPort}${sent}`);
  });

  test('in a listen section that has ids of its own', async () => {
    const { client } = await get('/in/listen', { where: listenPort });
    expect(client?.attributes['url.full']).toBe(`http://127.0.0.1:${serverPort}/out/listen`);
  });

  test('a target that no rule changed', async () => {
    const { server: span, client } = await get('/as-it-is', { where: listenPort });
    expect(span.attributes['url.path']).toBe('/as-it-is');
    expect(client?.attributes['url.full']).toBe(`http://127.0.0.1:${serverPort}/as-it-is`);
  });
});

describe('a unix socket has no address and no port', () => {
  test('of a client, who can be trusted by the name of the bind line', async () => {
    const traceId = 'a'.repeat(32);
    const headers = `traceparent: 00-${traceId}-b7ad6b7169203331-01\r\n`;
    const { server: span } = await get('/to-server/', {
      where: join(folder, 'front.sock'),
      headers,
    });
    expect(span).toMatchObject({ traceId, parentSpanId: 'b7ad6b7169203331' });
    expect(span.attributes['network.transport']).toBe('unix');
    for (const name of [
      'client.address',
      'client.port',
      'network.peer.address',
      'network.peer.port',
    ]) {
      expect(span.attributes).not.toHaveProperty(name);
    }
    const other = await get('/to-server/', { headers });
    expect(other.server.traceId).not.toBe(traceId);
    expect(other.server.attributes).not.toHaveProperty('network.transport');
  });

  test('of a server, which goes by its name', async () => {
    const { client } = await get('/to-unix/a');
    expect(client?.attributes).toMatchObject({
      'network.transport': 'unix',
      'server.address': 'u1',
      'url.full': 'http://u1/to-unix/a',
    });
    for (const name of ['server.port', 'network.peer.address', 'network.peer.port']) {
      expect(client?.attributes).not.toHaveProperty(name);
    }
  });
});

describe('the CLIENT span has the status that the server answered', () => {
  test('where a rule invents a 503', async () => {
    const { server: span, client } = await get('/to-broken/');
    expect(span.status).toBe(OtlpStatus.ERROR);
    expect(span.attributes).toMatchObject({
      'http.response.status_code': 503,
      'error.type': '503',
      'haproxy.fault': 'proxy',
    });
    expect(client?.status).toBe(OtlpStatus.UNSET);
    expect(client?.attributes['http.response.status_code']).toBe(200);
    expect(client?.attributes).not.toHaveProperty('error.type');
  });

  test.each(['/to-mended/busy', '/to-server/busy/mended'])(
    'where a rule hides one: %s',
    async (path) => {
      const { server: span, client } = await get(path);
      expect(span.status).toBe(OtlpStatus.UNSET);
      expect(span.attributes['http.response.status_code']).toBe(200);
      expect(client?.status).toBe(OtlpStatus.ERROR);
      expect(client?.attributes).toMatchObject({
        'http.response.status_code': 503,
        'error.type': '503',
      });
    },
  );
});

describe('http.response.size', () => {
  test('is that of what was sent, or absent', async () => {
    const plain = await get('/to-compressed/large');
    expect(Number(plain.server.attributes['http.response.size'])).toBeGreaterThan(20_000);
    const headers = 'Accept-Encoding: gzip\r\n';
    const { server: span, answer } = await get('/to-compressed/large', { headers });
    const size = span.attributes['http.response.size'];
    if (VERSION < 3.3) expect(size).toBeUndefined();
    else expect(Math.abs(Number(size) - answer.length)).toBeLessThan(100);
  });

  test.each(['/deny', '/to-denied/'])(
    'of a reply of HAProxy itself it is right, or absent: %s',
    async (path) => {
      const { server: span, client, answer } = await get(path);
      expect(client?.attributes['http.response.status_code']).toBe(
        path === '/deny' ? undefined : 200,
      );
      const size = span.attributes['http.response.size'] ?? answer.length;
      expect(Math.abs(Number(size) - answer.length)).toBeLessThan(100);
    },
  );
});

describe('whom a request is from', () => {
  test('set-src changes the client, not the peer', async () => {
    const { server: span } = await get('/to-server/', { headers: 'X-Client: 203.0.113.9\r\n' });
    expect(span.attributes).toMatchObject({
      'client.address': '203.0.113.9',
      'network.peer.address': '127.0.0.1',
      'network.peer.port': expect.any(Number),
    });
    expect(span.attributes).not.toHaveProperty('client.port');
  });

  test('an IPv4 client of an IPv6 bind', async () => {
    const { server: span } = await get('/to-server/', { where: mappedPort });
    expect(span.attributes).toMatchObject({
      'client.address': '127.0.0.1',
      'client.port': span.attributes['network.peer.port'],
      'network.peer.address': '127.0.0.1',
    });
  });
});

describe('request targets that are no path', () => {
  test('CONNECT', async () => {
    const { server: span, client } = await exchange(
      chain.ports.http,
      'CONNECT db.example:443 HTTP/1.1\r\nHost: db.example\r\n\r\n',
    );
    expect(span.attributes).toMatchObject({
      'http.request.method': 'CONNECT',
      'url.scheme': 'http',
      'url.path': '',
      'server.address': 'db.example',
      'server.port': 443,
    });
    expect(client?.attributes['url.full']).toBe(`http://127.0.0.1:${serverPort}`);
  });

  test('OPTIONS *', async () => {
    const { server: span, client } = await get('*', { method: 'OPTIONS' });
    expect(server.requests.at(-1)?.line).toBe('OPTIONS * HTTP/1.1');
    expect(span.attributes).toMatchObject({ 'url.scheme': 'http', 'url.path': '' });
    expect(client?.attributes['url.full']).toBe(`http://127.0.0.1:${serverPort}`);
  });

  test.each([
    ['http://shop.example:8080/to-server/a?b=1', 'shop.example:8080', 'http', 8080],
    ['https://shop.example/to-server/a?b=1', 'shop.example', 'https', 443],
  ])('%s', async (target, host, scheme, port) => {
    const { server: span, client } = await exchange(
      chain.ports.http,
      `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    expect(span.attributes).toMatchObject({
      'url.scheme': scheme,
      'url.path': '/to-server/a',
      'url.query': 'b=1',
      'server.address': 'shop.example',
      'server.port': port,
    });
    expect(client?.attributes['url.full']).toBe(`http://127.0.0.1:${serverPort}/to-server/a?b=1`);
  });
});

test('haproxy.backend.name is absent where none was chosen', async () => {
  expect((await get('/deny')).server.attributes).not.toHaveProperty('haproxy.backend.name');
  const own = await get('/deny', { where: listenPort });
  expect(own.server.attributes['haproxy.backend.name']).toBe('whole');
  expect((await get('/nowhere-at-all')).server.attributes['haproxy.backend.name']).toBe('app');
});
