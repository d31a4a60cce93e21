import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  createServer as createHttp2Server,
  type ServerHttp2Session,
} from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { until } from '../agent-process.ts';
import type { Chain } from './chain.ts';
import { runCommand as sayToRuntime } from './runtime-api.ts';
import type { ScriptedServer } from './scripted-server.ts';
import { unread } from './sockets.ts';

/** Timeouts of the test's configuration, in milliseconds. */
const TIMEOUT = 300;
export const CLIENT_TIMEOUT = 1_500;

export type World = {
  readonly chain: Chain;
  readonly server: ScriptedServer;
  readonly tlsPort: number;
  readonly asapPort: number;
  /** A frontend with the time-outs of this file; elsewhere a busy machine has its time. */
  readonly hastyPort: number;
  /** A `mode tcp` frontend whose server refuses. */
  readonly refusingTcpPort: number;
  /** Of HAProxy's Runtime API. */
  readonly socket: string;
};

/** Provokes one way to end; the request carries `traceparent`. `lasting` is milliseconds, of a WebSocket. */
type Provocation = (world: World, traceparent: string, lasting?: number) => Promise<void>;

/** Backends, each named after what it does. */
export function backends(
  server: ScriptedServer,
  { refused, dropping, http2 }: { refused: number; dropping: number; http2: number },
): string {
  const scripted = `server s1 127.0.0.1:${server.port}`;
  return `
cache memory
    total-max-size 4

backend to
    timeout server 15s
    timeout tunnel 15s
    ${scripted}

backend hasty
    timeout server ${TIMEOUT}ms
    ${scripted}

backend refusing
    retries 2
    no option redispatch
    timeout connect ${TIMEOUT}ms
    server s1 127.0.0.1:${refused}

backend refusing-first
    retries 2
    balance first
    option redispatch 1
    server s0 127.0.0.1:${refused}
    ${scripted}

backend dropping
    retries 1
    no option redispatch
    timeout connect ${TIMEOUT}ms
    server s1 127.0.0.1:${dropping}

backend dropping-slow
    retries 0
    timeout connect 60s
    server s1 127.0.0.1:${dropping}

backend dropping-first
    retries 2
    balance first
    option redispatch 1
    timeout connect ${TIMEOUT}ms
    server s0 127.0.0.1:${dropping}
    ${scripted}

backend all-down
    ${scripted} disabled

backend full
    timeout queue ${TIMEOUT}ms
    timeout server 15s
    ${scripted} maxconn 1

backend full-patient
    timeout queue 60s
    timeout server 15s
    ${scripted} maxconn 1

backend replaying
    retry-on 503 empty-response conn-failure
    retries 2
    ${scripted}

backend http2
    server s1 127.0.0.1:${http2} proto h2

backend denying
    http-response deny deny_status 403
    ${scripted}

backend returning
    http-response return status 200 content-type text/plain string replaced
    ${scripted}

backend caching
    http-request cache-use memory
    http-response cache-store memory
    ${scripted}

backend statistics
    stats enable
    stats uri /statistics

backend marked
    timeout server 15s
    server s1 127.0.0.1:${server.port} on-marked-down shutdown-sessions

backend backed
    timeout server 15s
    server s1 127.0.0.1:${refused} check inter 1h on-marked-up shutdown-backup-sessions
    server s2 127.0.0.1:${server.port} backup

backend tcp-scripted
    mode tcp
    ${scripted}

backend tcp-refusing
    mode tcp
    retries 1
    no option redispatch
    server s1 127.0.0.1:${refused}

backend slower
    timeout server ${2 * CLIENT_TIMEOUT}ms
    ${scripted}

backend patient
    timeout server 15s
    ${scripted}
`;
}

const HASTE = `
    timeout client ${CLIENT_TIMEOUT}ms
    timeout http-request ${TIMEOUT}ms`;
const PATIENCE = `
    timeout client 15s
    timeout http-request 15s`;

/** The same frontend under another name, on a port of its own, for clients that are to be too slow. */
export function hastyFrontend(www: string, port: number): string {
  return www
    .replace('frontend www\n', 'frontend in-haste\n')
    .replace(/ {4}bind [\s\S]*? proto h2\n/, `    bind 127.0.0.1:${port}\n`)
    .replace(PATIENCE, HASTE);
}

export const FRONTEND_RULES = `${PATIENCE}
    timeout tarpit ${TIMEOUT}ms
    http-request deny deny_status 403 if { path /deny }
    http-request deny deny_status 503 if { path /deny-503 }
    http-request tarpit deny_status 429 if { path /tarpit }
    http-request redirect location /elsewhere if { path /redirect }
    http-request return status 200 content-type text/plain string hello if { path /return }
    http-request set-header x-larger %[req.hdr(x-large)]%[req.hdr(x-large)] if { path /grow }
    use_backend nowhere if { path /nowhere }
    use_backend %[path,word(1,/)]
`;

/** A port whose connections are never accepted and whose queue is full: SYNs are dropped. */
export async function droppingPort(): Promise<{ port: number; end: () => void }> {
  const child = spawn(
    process.execPath,
    [
      '-e',
      `const server = require('net').createServer();
       server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  const fillers = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  return {
    port,
    end: () => {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
    },
  };
}

/** A server that resets every HTTP/2 stream. */
export async function resettingServer(): Promise<{ port: number; end: () => void }> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    end: () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

type RawExchange = { readonly socket: Socket; readonly closed: Promise<string>; text: string };

/** Connects, sends, and collects what comes back. */
export function sendRaw(port: number, bytes: string): RawExchange {
  const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
  const closed = new Promise<string>((resolve) => {
    socket.once('error', () => resolve(said.text));
    socket.once('close', () => resolve(said.text));
  });
  const said = { socket, closed, text: '' };
  socket.setEncoding('latin1').on('data', (text: string) => {
    said.text += text;
  });
  return said;
}

function request(path: string, traceparent: string, more = '', method = 'GET'): string {
  return `${method} ${path} HTTP/1.1\r\nHost: ends\r\ntraceparent: ${traceparent}\r\n${more}\r\n`;
}

/** Sends a request and waits for the whole answer. */
function ask(path: string, more = '', method = 'GET'): Provocation {
  return async ({ chain }, traceparent) => {
    const head = request(path, traceparent, `Connection: close\r\n${more}`, method);
    await sendRaw(chain.ports.http, head).closed;
  };
}

/** Sends a request and leaves once the server has it. */
function leave(path: string, how: (socket: Socket) => void): Provocation {
  return async ({ chain, server }, traceparent) => {
    const before = server.requests;
    const said = sendRaw(chain.ports.http, request(path, traceparent));
    await until('the server to have the request', () => server.requests > before);
    how(said.socket);
    await said.closed;
  };
}

function recorded(chain: Chain, traceparent: string): Promise<unknown> {
  return until('the record', () =>
    chain.haproxySpans().some((span) => traceparent.includes(span.traceId)),
  );
}

async function readHead(said: RawExchange): Promise<void> {
  await until('an answer', () => said.text.includes('\r\n\r\n'));
}

/** Over HAProxy's Runtime API, while the server has the request: some versions act on it at the client's next time-out. */
function command(path: string, text: string): Provocation {
  return async ({ hastyPort, server, socket }, traceparent) => {
    const before = server.requests;
    const said = sendRaw(hastyPort, request(path, traceparent));
    await until('the server to have the request', () => server.requests > before);
    await sayToRuntime(socket, text);
    await said.closed;
  };
}

/** What HAProxy counts of a server now, by the name of a column of `show stat`. */
async function statistic(socket: string, server: string, column: string): Promise<boolean> {
  const [head = '', ...rows] = (await sayToRuntime(socket, 'show stat')).split('\n');
  const row = rows.find((line) => line.startsWith(`${server},`)) ?? '';
  return Number(row.split(',')[head.replace('# ', '').split(',').indexOf(column)]) > 0;
}

async function http2(
  { chain }: World,
  run: (session: ClientHttp2Session) => Promise<unknown>,
): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${chain.ports.h2}`);
  session.on('error', () => {});
  await run(session);
  session.destroy();
}

/** Keyed by the first column of the table in docs/ends.md. */
export const PROVOCATIONS: Readonly<Record<string, Provocation>> = {
  'answered by the server': ask('/to/ok'),
  'answered, 4xx': ask('/to/missing'),
  'answered, 5xx': ask('/to/broken'),
  'answered, 204': ask('/to/empty'),
  'answered, 304': ask('/to/unchanged', 'If-None-Match: "a"\r\n'),
  'HEAD request': ask('/to/head', '', 'HEAD'),
  'chunked, with trailers': ask('/to/chunked'),
  '100-continue': async ({ chain }, traceparent) => {
    const more = 'Expect: 100-continue\r\nContent-Length: 4\r\n';
    const said = sendRaw(chain.ports.http, request('/to/continue', traceparent, more, 'POST'));
    await readHead(said);
    said.socket.write('body');
    await until('the answer', () => said.text.includes('200 OK'));
    said.socket.end();
    await said.closed;
  },
  WebSocket: async ({ chain }, traceparent, lasting = 0) => {
    const more =
      'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    const said = sendRaw(chain.ports.http, request('/to/websocket', traceparent, more));
    await readHead(said);
    said.socket.write('hello');
    await until('the echo', () => said.text.endsWith('hello'));
    await new Promise((resolve) => setTimeout(resolve, lasting));
    said.socket.write('bye');
    await said.closed;
  },
  'HTTP/2': (world, traceparent) =>
    http2(world, async (session) => {
      const stream = session.request({ ':path': '/to/ok', traceparent });
      stream.resume();
      await once(stream, 'close');
    }),
  'option logasap': async ({ asapPort }, traceparent) => {
    await sendRaw(asapPort, request('/to/ok', traceparent, 'Connection: close\r\n')).closed;
  },

  'http-request deny': ask('/deny'),
  'http-request deny, 5xx': ask('/deny-503'),
  'http-request tarpit': ask('/tarpit'),
  'http-request redirect': ask('/redirect'),
  'http-request return': ask('/return'),
  'statistics page': ask('/statistics'),
  'cache hit': async (world, traceparent) => {
    await ask('/caching/cacheable')(
      world,
      `${traceparent.slice(0, 3)}${'c'.repeat(32)}-b7ad6b7169203331-01`,
    );
    const before = world.server.requests;
    await ask('/caching/cacheable')(world, traceparent);
    if (world.server.requests > before) throw new Error('was not cached');
  },
  'http-response deny': ask('/denying/ok'),
  'http-response return': ask('/returning/ok'),

  'no server in the backend': ask('/nowhere'),
  'all servers down': ask('/all-down/ok'),
  'connection refused': ask('/refusing/ok'),
  'connection refused, redispatched': ask('/refusing-first/ok'),
  'connect timeout': ask('/dropping/ok'),
  'connect timeout, redispatched': ask('/dropping-first/ok'),
  'queue timeout': async (world, traceparent) => {
    const { chain, server } = world;
    const before = server.requests;
    const first = sendRaw(chain.ports.http, 'GET /full/silent HTTP/1.1\r\nHost: ends\r\n\r\n');
    await until('the server to be busy', () => server.requests > before);
    await ask('/full/ok')(world, traceparent);
    first.socket.destroy();
  },
  'server closes without an answer': ask('/to/close'),
  'server resets': ask('/to/reset'),
  'server resets its HTTP/2 stream': ask('/http2/reset'),
  'retry-on, then answered': ask('/replaying/once-close'),
  'retry-on 503, then answered': ask('/replaying/once-broken-503'),
  'retry-on, in vain': ask('/replaying/close'),
  'server timeout before headers': ask('/hasty/silent'),
  'server timeout in the body': ask('/hasty/stall'),
  'server closes in the body': ask('/to/cut'),
  'invalid response': ask('/to/nonsense'),
  'invalid chunk in the body': ask('/to/bad-chunk'),
  'response headers too large': ask('/to/large-headers'),

  'client leaves while sending its headers': async ({ chain }) => {
    const said = sendRaw(chain.ports.http, 'GET /to/ok HTTP/1.1\r\nHost: ends\r\n');
    await until('HAProxy to read them', () => unread(said.socket) === 0);
    said.socket.end();
    await said.closed;
  },
  'client leaves while sending its body': async ({ chain, server }, traceparent) => {
    const before = server.requests;
    const more = 'Content-Length: 1000\r\n';
    const said = sendRaw(
      chain.ports.http,
      `${request('/patient/silent', traceparent, more, 'POST')}half of it`,
    );
    await until('the server to have the request', () => server.requests > before);
    said.socket.destroy();
    await said.closed;
  },
  'client leaves while queued': async ({ chain, server, socket }, traceparent) => {
    const before = server.requests;
    const first = sendRaw(
      chain.ports.http,
      'GET /full-patient/silent HTTP/1.1\r\nHost: ends\r\n\r\n',
    );
    await until('the server to be busy', () => server.requests > before);
    const second = sendRaw(chain.ports.http, request('/full-patient/ok', traceparent));
    await until('the request to be queued', () =>
      statistic(socket, 'full-patient,BACKEND', 'qcur'),
    );
    second.socket.destroy();
    await recorded(chain, traceparent);
    first.socket.destroy();
  },
  'client leaves while connecting': async ({ chain, socket }, traceparent) => {
    const said = sendRaw(chain.ports.http, request('/dropping-slow/ok', traceparent));
    await until('HAProxy to connect', () => statistic(socket, 'dropping-slow,s1', 'scur'));
    said.socket.destroy();
    await said.closed;
  },
  'client leaves while waiting': leave('/patient/silent', (socket) => socket.destroy()),
  'client leaves while downloading': async ({ chain }, traceparent) => {
    const said = sendRaw(chain.ports.http, request('/patient/download', traceparent));
    await readHead(said);
    said.socket.resetAndDestroy();
    await said.closed;
  },
  'client resets its HTTP/2 stream': (world, traceparent) =>
    http2(world, async (session) => {
      const before = world.server.requests;
      const stream = session.request({ ':path': '/patient/silent', traceparent });
      stream.on('error', () => {});
      await until('the server to have the request', () => world.server.requests > before);
      stream.close(constants.NGHTTP2_CANCEL);
      await once(stream, 'close');
    }),
  'client does not send its headers in time (408)': async ({ hastyPort }) => {
    await sendRaw(hastyPort, 'GET /to/ok HTTP/1.1\r\nHost: ends\r\n').closed;
  },
  'client does not send its body in time': async ({ hastyPort }, traceparent) => {
    const more = 'Content-Length: 1000\r\n';
    await sendRaw(hastyPort, `${request('/slower/silent', traceparent, more, 'POST')}half of it`)
      .closed;
  },
  'client does not read in time': async ({ chain, hastyPort }, traceparent) => {
    const said = sendRaw(hastyPort, request('/patient/download', traceparent));
    said.socket.once('data', () => said.socket.pause());
    await recorded(chain, traceparent);
    said.socket.destroy();
  },
  'server marked down': command('/marked/silent', 'set server marked/s1 health down'),
  'backup server given up': async (world, traceparent) => {
    await sayToRuntime(world.socket, 'set server backed/s1 health down');
    await command('/backed/silent', 'set server backed/s1 health up')(world, traceparent);
  },
  'session killed': command('/patient/silent', 'shutdown sessions server patient/s1'),
  'header that a rule makes too large': ask('/grow', `X-Large: ${'x'.repeat(9_000)}\r\n`),
  'bad request': async ({ chain }) => {
    await sendRaw(chain.ports.http, 'NONSENSE\r\n\r\n').closed;
  },
  'request headers too large': async ({ chain }) => {
    await sendRaw(
      chain.ports.http,
      `GET /to/ok HTTP/1.1\r\nHost: ends\r\nX-Large: ${'x'.repeat(40_000)}\r\n\r\n`,
    ).closed;
  },
};

/** A client that speaks no TLS on a TLS port. */
export async function failHandshake({ tlsPort }: World): Promise<void> {
  await sendRaw(tlsPort, 'GET / HTTP/1.1\r\nHost: ends\r\n\r\n').closed;
}

/** A client that refuses the certificate, with an alert. */
export async function distrust({ tlsPort }: World): Promise<void> {
  const socket = connectTls({ port: tlsPort, host: '127.0.0.1' });
  await new Promise<void>((resolve) => {
    socket.once('error', () => resolve());
    socket.once('secureConnect', () => resolve());
  });
  socket.destroy();
}
