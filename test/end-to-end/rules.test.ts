import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { OtlpSpanKind } from '../../src/demo/otlp-receiver.ts';
import { until } from '../agent-process.ts';
import { added, plain } from './added.ts';
import { Chain, get, serverTimingTraceId } from './chain.ts';
import {
  type Exchange,
  type HeaderFields,
  HeaderServer,
  sendHttp1,
  valuesOf,
} from './header-server.ts';
import { ScriptedServer } from './scripted-server.ts';
import { unread } from './sockets.ts';

/** What rules, engines and options of a user's own do beside the lines that `add` writes. */
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const CALLER: HeaderFields = [
  ['traceparent', `00-${TRACE_ID}-b7ad6b7169203331-01`],
  ['tracestate', 'a=1'],
  ['baggage', 'tenant=x'],
];

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-rules-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Edit = (config: string) => string;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A chain whose server answers with the header fields it got. */
async function start(
  edit: Edit,
  args: readonly string[] = [],
  afterwards: Edit = (config) => config,
): Promise<Chain> {
  const server = await HeaderServer.start();
  cleanups.push(() => server.stop());
  const chain = await Chain.start({
    editConfig: (config, ports) =>
      afterwards(added(folder, edit(plain(config)), ports, args)).replaceAll(
        `server app1 127.0.0.1:${ports.server}`,
        `server app1 127.0.0.1:${server.port}`,
      ),
  });
  cleanups.push(() => chain.stop());
  return chain;
}

/** In the frontend, before all that stands there. */
const rules =
  (...lines: readonly string[]): Edit =>
  (config) =>
    config.replace(
      'frontend www\n',
      (head) => head + lines.map((line) => `    ${line}\n`).join(''),
    );

/** In defaults that the frontend shares with one that is not traced: no rules can be put there before these. */
const inDefaults =
  (...lines: readonly string[]): Edit =>
  (config) =>
    config
      .replace(
        'frontend www\n',
        `defaults rules from base\n${lines.map((line) => `    ${line}\n`).join('')}\nfrontend other from rules\n\nfrontend www from rules\n`,
      )
      .replace('\nfrontend tcp\n', '\ndefaults rest from base\n\nfrontend tcp\n');

function traceIdOf(exchange: Exchange): string | undefined {
  const values = valuesOf(exchange, 'traceparent');
  expect(values).toHaveLength(1);
  return values[0]?.split('-')[1];
}

describe('a rule ends evaluation', () => {
  const accept = 'tcp-request content accept if { path_beg /early }';
  test('in the frontend it comes behind, and is traced as everything else', async () => {
    const chain = await start(rules(accept));
    for (const path of ['/early', '/late']) {
      expect(traceIdOf(await sendHttp1(chain.ports.http, path, CALLER))).toBe(TRACE_ID);
    }
  });

  test('in its defaults: nothing of the caller is used', async () => {
    const chain = await start(inDefaults(accept), ['--frontend', 'www']);
    const { http } = chain.ports;
    expect(traceIdOf(await sendHttp1(http, '/trusted', CALLER))).toBe(TRACE_ID);
    const expectNothing = (exchange: Exchange): void => {
      expect(traceIdOf(exchange)).not.toBe(TRACE_ID);
      expect(valuesOf(exchange, 'tracestate')).toEqual([]);
      expect(valuesOf(exchange, 'baggage')).toEqual([]);
    };
    expectNothing(await sendHttp1(http, '/early', CALLER));
    await until('the agent to say so', () =>
      chain.agent.logged(
        'HAProxy does not say whom to trust: no trace of these callers is continued',
      ),
    );
    // The same where HAProxy has to decide by itself.
    await chain.agent.end();
    expect(traceIdOf(await sendHttp1(http, '/trusted', CALLER))).toBe(TRACE_ID);
    expectNothing(await sendHttp1(http, '/early', CALLER));
  });
});

test('a user may trust and distrust by a rule of his own, whatever the address', async () => {
  const chain = await start(
    rules('tcp-request content set-var(txn.otel.trust) str(restart) if { path_beg /stranger }'),
  );
  const exchange = await sendHttp1(chain.ports.http, '/stranger', [
    ...CALLER,
    ['x-request-id', 'theirs'],
  ]);
  expect(traceIdOf(exchange)).not.toBe(TRACE_ID);
  // It names the request, not the trace, and reached the server before there was tracing.
  expect(valuesOf(exchange, 'x-request-id')).toEqual(['theirs']);
});

describe('x-request-id: the server gets one, and the span has that one or none', () => {
  const uniqueId = ['unique-id-format "unique-%[uuid()]"', 'unique-id-header X-Request-ID'];
  const other = 'http-request set-header X-Request-ID own-%[uuid()] if { path /other }';
  const OURS = /^[0-9a-f]{32}-[0-9a-f]{16}$/;

  type Expected = { readonly server: RegExp | undefined; readonly isOnSpan: boolean };
  const NONE: Expected = { server: undefined, isOnSpan: false };
  const none: HeaderFields = [];
  const one: HeaderFields = [['X-Request-ID', 'theirs']];
  test.each<readonly [string, Edit, HeaderFields, Expected]>([
    ['ours', (text) => text, none, { server: OURS, isOnSpan: true }],
    ["a trusted client's", (text) => text, one, { server: /^theirs$/, isOnSpan: true }],
    ['two of a client', (text) => text, [...one, ...one], { server: OURS, isOnSpan: true }],
    ['a rule of his own that removes it', rules('http-request del-header X-Request-ID'), one, NONE],
    ['a rule of his own that sets another at times', rules(other), none, NONE],
    [
      "a rule of his own that sets another at times, a client's",
      rules(other),
      one,
      { server: /^theirs$/, isOnSpan: true },
    ],
    ['unique-id-header', rules(...uniqueId), none, { server: /^unique-/, isOnSpan: true }],
    [
      'unique-id-header of the defaults',
      (config) => config.replace('\ndefaults base\n', `$&    ${uniqueId.join('\n    ')}\n`),
      none,
      { server: /^unique-/, isOnSpan: true },
    ],
    [
      'a rule of his own',
      rules('http-request set-header X-Request-ID own-%[uuid()]'),
      none,
      { server: /^own-/, isOnSpan: true },
    ],
    [
      'a rule of his own, where there is none',
      rules(
        'http-request set-header X-Request-ID own-%[uuid()] unless { req.hdr(x-request-id) -m found }',
      ),
      none,
      { server: /^own-/, isOnSpan: true },
    ],
    [
      'a rule of his own in the backend',
      (config) =>
        config.replace(
          '\nbackend app\n',
          '$&    http-request set-header X-Request-ID own-%[uuid()]\n',
        ),
      one,
      { server: /^own-/, isOnSpan: true },
    ],
  ])('%s', async (_name, edit, fields, { server, isOnSpan }) => {
    const chain = await start(edit);
    const exchange = await sendHttp1(chain.ports.http, '/id', fields);
    const values = valuesOf(exchange, 'x-request-id');
    expect(values).toEqual(server === undefined ? [] : [expect.stringMatching(server)]);
    const { server: span } = await chain.hop(
      serverTimingTraceId(exchange.response['server-timing']),
    );
    expect(span.attributes['http.request.header.x-request-id']).toEqual(
      isOnSpan ? values : undefined,
    );
  });
});

test('unique-id-header beside an id of the client: the server gets both, as without tracing, and the span names none', async () => {
  const chain = await start(
    rules('unique-id-format "unique-%[uuid()]"', 'unique-id-header X-Request-ID'),
  );
  const exchange = await sendHttp1(chain.ports.http, '/id', [['X-Request-ID', 'theirs']]);
  expect(valuesOf(exchange, 'x-request-id')).toEqual(['theirs', expect.stringMatching(/^unique-/)]);
  const { server } = await chain.hop(serverTimingTraceId(exchange.response['server-timing']));
  expect(server.attributes['http.request.header.x-request-id']).toBeUndefined();
});

describe('haproxy.phase.agent_us is the wait for this agent alone', () => {
  /** An engine of another agent, which accepts connections and never answers. */
  async function slowEngine(): Promise<{ filter: string; backend: string }> {
    const sockets = new Set<Socket>();
    const agent: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
    });
    agent.listen(0, '127.0.0.1');
    await once(agent, 'listening');
    cleanups.push(() => {
      for (const socket of sockets) socket.destroy();
      agent.close();
    });
    const file = join(folder, 'slow.conf');
    writeFileSync(
      file,
      `[slow]
spoe-agent slow
    messages ask
    timeout hello 10s
    timeout idle 10s
    timeout processing ${SLOW}ms
    use-backend slow-agents
spoe-message ask
    args path=path
    event on-frontend-http-request if { path_beg /held }
`,
    );
    return {
      filter: `filter spoe engine slow config ${file}`,
      backend: `\nbackend slow-agents\n    mode tcp\n    timeout connect 1s\n    timeout server 1m\n    server slow 127.0.0.1:${(agent.address() as AddressInfo).port}\n`,
    };
  }
  /** In milliseconds. */
  const SLOW = 600;

  /** Each of these requests is held up by something else; where that counted, no wait would be shorter. */
  async function expectShortWait(chain: Chain, request: () => Promise<string>): Promise<void> {
    await until('a wait that is shorter than what else held up a request', async () => {
      const { server } = await chain.hop(await request());
      expect(server.end - server.start).toBeGreaterThan(BigInt(SLOW - 10) * 1_000_000n);
      const wait = server.attributes['haproxy.phase.agent_us'];
      expect(wait).toEqual(expect.any(Number));
      return Number(wait) < (SLOW * 1000) / 2;
    });
  }

  test.each([
    ['before ours, where add has it', /^()()()$/m],
    ['behind ours', /^( *filter spoe engine slow.*\n)([\s\S]*?)^( *filter spoe engine otel.*\n)/m],
  ])('not that of another engine %s', async (_where, order) => {
    const { filter, backend } = await slowEngine();
    const chain = await start(
      (config) => rules(filter)(config) + backend,
      [],
      (config) => config.replace(order, '$3$2$1'),
    );
    await expectShortWait(chain, async () => {
      const { response } = await sendHttp1(chain.ports.http, '/held', []);
      return serverTimingTraceId(response['server-timing']);
    });
  });

  test('not that for a body', async () => {
    const chain = await start(rules('option http-buffer-request'));
    await expectShortWait(chain, async () => {
      const socket = connect(chain.ports.http, '127.0.0.1');
      socket.write(
        'POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nha',
      );
      await until('HAProxy to read half of it', () => unread(socket) === 0);
      setTimeout(() => socket.write('lf'), SLOW);
      let answer = '';
      for await (const part of socket.setEncoding('utf8')) answer += part;
      return serverTimingTraceId(answer);
    });
  });

  test('but all of that for an agent that hangs', async () => {
    const chain = await Chain.start();
    cleanups.push(() => chain.stop());
    await until('the agent to be asked', async () => {
      const { traceId } = await chain.get('/asked');
      return (await chain.hop(traceId)).server.attributes['haproxy.agent_away'] !== true;
    });
    chain.agent.process.kill('SIGSTOP');
    const { traceId } = await chain.get('/hangs');
    chain.agent.process.kill('SIGCONT');
    const { server } = await chain.hop(traceId);
    expect(server.attributes['haproxy.agent_away']).toBe(true);
    expect(server.attributes['haproxy.phase.agent_us']).toBeGreaterThan(45_000);
  });
});

describe('what a user silenced', () => {
  async function logger(): Promise<{ port: number; lines: string[] }> {
    const socket: DatagramSocket = createSocket('udp4');
    const lines: string[] = [];
    socket.on('message', (line) => lines.push(line.toString()));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    cleanups.push(() => socket.close());
    return { port: socket.address().port, lines };
  }

  test('stays silent, and its hop ends with the headers, whatever the answer', async () => {
    const server = await ScriptedServer.start();
    cleanups.push(() => server.stop());
    const { port, lines } = await logger();
    const chain = await Chain.start({
      editConfig: (config, ports) =>
        added(
          folder,
          rules(
            `log 127.0.0.1:${port} len 16300 format raw local0 info`,
            'log-format "%[var(txn.otel.hop),bytes(0,32)] %B"',
            'http-request set-log-level silent if { path_beg /quiet }',
          )(plain(config)),
          ports,
        ).replaceAll(
          `server app1 127.0.0.1:${ports.server}`,
          `server app1 127.0.0.1:${server.port}`,
        ),
    });
    cleanups.push(() => chain.stop());
    const answers = ['ok', 'chunked', 'drip'];
    const quiet = await Promise.all(answers.map((name) => get(chain.ports.http, `/quiet/${name}`)));
    const heard = await Promise.all(answers.map((name) => get(chain.ports.http, `/heard/${name}`)));
    for (const { traceId } of heard) {
      await chain.hop(traceId);
      await until('the line', () => lines.some((line) => line.includes(traceId)));
    }
    // One that is answered while HAProxy is stopping.
    const before = server.requests;
    const late = ['/quiet/slow', '/heard/slow'].map((path) => get(chain.ports.http, path));
    await until('the server to have them', () => server.requests >= before + 2);
    chain.haproxy.process.kill('SIGUSR1');
    const [lateQuiet, lateHeard] = await Promise.all(late);
    await chain.hop(lateHeard?.traceId ?? '');
    await until('HAProxy to end', () => chain.haproxy.process.exitCode === 0);
    await chain.agent.end();
    for (const response of [...quiet, lateQuiet]) {
      expect(response?.status).toBe(200);
      expect(lines.filter((line) => line.includes(response?.traceId ?? ''))).toEqual([]);
    }
    for (const { traceId } of quiet) {
      const spans = chain.haproxySpans().filter((span) => span.traceId === traceId);
      expect(spans.map(({ kind }) => kind).sort()).toEqual([
        OtlpSpanKind.SERVER,
        OtlpSpanKind.CLIENT,
      ]);
      for (const { attributes } of spans) {
        expect(attributes).not.toHaveProperty('haproxy.termination_state');
      }
    }
  });
});
