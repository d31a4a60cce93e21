import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { AgentProcess, until } from '../agent-process.ts';
import { OtlpReceiver } from '../otlp-receiver.ts';
import { hopOf, octetCounted, recordLine } from '../records/lines.ts';
import { hello, notify } from '../spop/frames.ts';
import { adminOf, requestAdmin, requestAdminRaw } from './admin-request.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-admin-'));
const TOKEN = 'abcdefghijklmnopqrstuvwxyz';
const TOKEN_FILE = join(folder, 'token');
writeFileSync(TOKEN_FILE, `${TOKEN}\n`);

const running: AgentProcess[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const agent of running.splice(0)) await agent.end('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true }));

async function start(env: Record<string, string> = {}): Promise<AgentProcess> {
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
    OTEL_TRACES_EXPORTER: 'none',
    ...env,
  });
  running.push(agent);
  return agent;
}

async function peer(agent: AgentProcess, listener: 'spop' | 'records'): Promise<Socket> {
  const port = Number(String(agent.logged('ready')?.[listener]).split(':').at(-1));
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

type Live = {
  state: { mint: Record<string, unknown>; records: Record<string, number> } & Record<
    string,
    unknown
  >;
  traffic: { unsampled: number[]; backends: { name: string; total: Record<string, number> }[] };
  hops: Record<'errors' | 'slow' | 'latest', Record<string, unknown>[]>;
};

async function live(agent: AgentProcess, query = ''): Promise<Live> {
  const { status, body } = await requestAdmin(agent, `/api/live${query}`);
  expect(status).toBe(200);
  return JSON.parse(body);
}

const MICROSECONDS = () => Date.now() * 1000;

/** Hands the agent these lines, and waits until it has seen them. */
async function record(agent: AgentProcess, lines: readonly string[]): Promise<void> {
  const before = (await live(agent)).state.records;
  const socket = await peer(agent, 'records');
  socket.write(lines.map(octetCounted).join(''));
  const sum = ({ sampled = 0, unsampled = 0 }: Record<string, number>) => sampled + unsampled;
  await until('the records', async () => {
    const { records } = (await live(agent)).state;
    return sum(records) === sum(before) + lines.length;
  });
}

describe('what is refused', () => {
  let agent: AgentProcess;
  beforeAll(async () => {
    agent = await start({ HAPROXY_OTEL_ADMIN_HOSTS: 'lb1.internal' });
    running.splice(0);
  });
  afterAll(() => agent.end());

  test('other methods, with those that are not', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const { status, headers } = await requestAdmin(agent, '/metrics', { method });
      expect([method, status, headers.allow]).toEqual([method, 405, 'GET, HEAD']);
    }
    expect(await requestAdmin(agent, '/', { method: 'HEAD' })).toMatchObject({
      status: 200,
      body: '',
    });
  });

  test('paths that are not there, and ways out of the folder', async () => {
    for (const path of ['/nothing', '/page/../server.js', '/../package.json', '//', '/page.css/']) {
      expect((await requestAdmin(agent, path)).status).toBe(404);
    }
    expect(
      await requestAdminRaw(agent, 'GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    ).toMatch(/^HTTP\/1\.1 404/);
  });

  test("another name than this host's, as DNS rebinding has it", async () => {
    const status = async (host: string) =>
      (await requestAdmin(agent, '/api/live', { headers: { host } })).status;
    for (const host of ['localhost', 'LOCALHOST:9', '127.0.0.1:80', '[::1]:80', 'lb1.internal:1']) {
      expect([host, await status(host)]).toEqual([host, 200]);
    }
    for (const host of [
      'evil.example',
      'evil.example:80',
      'localhost.evil.example',
      '10.0.0.1',
      'a@localhost',
    ]) {
      expect([host, await status(host)]).toEqual([host, 421]);
    }
    expect(await requestAdminRaw(agent, 'GET /metrics HTTP/1.1\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400/,
    );
    expect(await requestAdminRaw(agent, 'GET /metrics HTTP/1.0\r\n\r\n')).toMatch(
      /^HTTP\/1\.[01] 421/,
    );
  });

  test('what a browser sends for another site; a link there may lead to the page', async () => {
    const status = async (path: string, headers: Record<string, string>) =>
      (await requestAdmin(agent, path, { headers })).status;
    for (const site of ['cross-site', 'same-site']) {
      expect(await status('/api/live', { 'sec-fetch-site': site })).toBe(403);
      const followed = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
      expect(await status('/', { 'sec-fetch-site': site, ...followed })).toBe(200);
      expect(await status('/api/live', { 'sec-fetch-site': site, ...followed })).toBe(403);
      expect(await status('/', { 'sec-fetch-site': site, 'sec-fetch-dest': 'iframe' })).toBe(403);
    }
    for (const origin of ['http://evil.example', 'null', 'http://localhost:1']) {
      expect(await status('/metrics', { origin })).toBe(403);
    }
    expect(await status('/metrics', { 'sec-fetch-site': 'same-origin' })).toBe(200);
  });

  test('filters that are none', async () => {
    for (const query of [
      '?trace=xyz',
      '?status=9xx',
      '?q=1',
      '?backend=a&backend=b',
      `?server=${'x'.repeat(300)}`,
    ]) {
      expect((await requestAdmin(agent, `/api/live${query}`)).status).toBe(400);
      expect((await requestAdmin(agent, `/api/events${query}`)).status).toBe(400);
    }
  });

  test('requests that do not come to their end, and headers that do not either', async () => {
    const large = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    expect(await requestAdminRaw(agent, large)).toMatch(/^HTTP\/1\.1 431/);
    expect(await requestAdminRaw(agent, '\0\0\0\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/);
    expect((await requestAdmin(agent, '/healthz')).status).toBe(200);
  });
});

describe('the token', () => {
  test.each(['0.0.0.0:0', '[::]:0', '192.0.2.1:1', 'lb1.internal:1'])(
    'is needed on %s',
    async (address) => {
      const agent = AgentProcess.spawn(['run', '--admin', address]);
      running.push(agent);
      expect(await agent.exited()).toBe(2);
      expect(agent.output).toContain('HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed');
    },
  );

  test('opens everything, as a bearer or as the password of a browser; nothing is answered without', async () => {
    const agent = await start({
      HAPROXY_OTEL_ADMIN: '0.0.0.0:0',
      HAPROXY_OTEL_ADMIN_TOKEN_FILE: TOKEN_FILE,
    });
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    for (const path of [
      '/',
      '/page.js',
      '/healthz',
      '/readyz',
      '/metrics',
      '/api/live',
      '/nothing',
    ]) {
      const refused = await requestAdmin(agent, path);
      expect([path, refused.status, refused.body]).toEqual([path, 401, 'a token is needed\n']);
      expect(refused.headers['www-authenticate']).toContain('Bearer');
    }
    for (const authorization of [
      `Bearer ${TOKEN}`,
      `bearer ${TOKEN}`,
      basic(`:${TOKEN}`),
      basic(`me:${TOKEN}`),
    ]) {
      expect((await requestAdmin(agent, '/metrics', { headers: { authorization } })).status).toBe(
        200,
      );
    }
    for (const authorization of [
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      'Bearer ',
      basic(TOKEN.slice(1)),
      `Digest ${TOKEN}`,
      TOKEN,
    ]) {
      expect((await requestAdmin(agent, '/metrics', { headers: { authorization } })).status).toBe(
        401,
      );
    }
    // An address is a name that no site can have.
    const asked = { authorization: `Bearer ${TOKEN}`, host: '10.1.2.3:12347' };
    expect((await requestAdmin(agent, '/metrics', { headers: asked })).status).toBe(200);
    const named = { ...asked, host: 'evil.example' };
    expect((await requestAdmin(agent, '/metrics', { headers: named })).status).toBe(421);
    expect(JSON.stringify(agent.logs)).not.toContain(TOKEN);
  });

  test.each(['short', 'has a space in it, and is long enough'])('cannot be "%s"', async (token) => {
    const file = join(folder, 'bad-token');
    writeFileSync(file, token);
    const agent = AgentProcess.spawn(['run', '--admin', '127.0.0.1:0'], {
      HAPROXY_OTEL_ADMIN_TOKEN_FILE: file,
    });
    running.push(agent);
    expect(await agent.exited()).toBe(2);
    expect(agent.output).toContain('HAPROXY_OTEL_ADMIN_TOKEN_FILE is');
    expect(agent.output).not.toContain(token);
  });
});

describe('where it listens', () => {
  test('a unix socket', async () => {
    const path = join(folder, 'admin.sock');
    const agent = await start({ HAPROXY_OTEL_ADMIN: `unix:${path}` });
    expect(adminOf(agent)).toEqual({ socketPath: path });
    expect(await requestAdmin(agent, '/healthz', { headers: { host: 'localhost' } })).toMatchObject(
      {
        status: 200,
      },
    );
    expect(
      (await requestAdmin(agent, '/healthz', { headers: { host: 'evil.example' } })).status,
    ).toBe(421);
  });

  test.each([
    ['127.0.0.1', undefined],
    ['0.0.0.0', 1],
  ] as const)(
    'a socket on %s that was handed over, which needs a token where others reach it',
    async (host, code) => {
      const listener = createServer();
      await new Promise<void>((resolve) => listener.listen(0, host, resolve));
      const { port } = listener.address() as { port: number };
      const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
      const agent = AgentProcess.spawn(
        ['run', '--spop', '127.0.0.1:0', '--records', '127.0.0.1:0'],
        { OTEL_TRACES_EXPORTER: 'none', LISTEN_FDNAMES: 'admin' },
        [fd],
      );
      running.push(agent);
      if (code === undefined) await until('it to start', () => agent.logged('ready'));
      else expect(await agent.exited()).toBe(code);
      listener.close();
      if (code === undefined)
        expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
      else expect(agent.output).toContain('HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed');
    },
  );

  test('a socket on 0.0.0.0 that was handed over answers to its addresses', async () => {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '0.0.0.0', resolve));
    const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
    const agent = await AgentProcess.start(
      {
        HAPROXY_OTEL_SPOP: '127.0.0.1:0',
        HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
        OTEL_TRACES_EXPORTER: 'none',
        HAPROXY_OTEL_ADMIN_TOKEN_FILE: TOKEN_FILE,
        LISTEN_FDNAMES: 'admin',
      },
      [fd],
    );
    running.push(agent);
    listener.close();
    const asked = { authorization: `Bearer ${TOKEN}` };
    const status = async (host: string) =>
      (await requestAdmin(agent, '/healthz', { headers: { ...asked, host } })).status;
    expect(await status('10.1.2.3:12347')).toBe(200);
    expect(await status('evil.example')).toBe(421);
  });

  test('nowhere', async () => {
    const agent = await start({ HAPROXY_OTEL_ADMIN: 'off' });
    expect(agent.logged('ready')?.admin).toBe('off');
  });

  test('the shipped port, in use by another agent: tracing goes on, and the setting to change is logged', async () => {
    // If somebody else on this machine has it, the first one goes without as well.
    await start({ HAPROXY_OTEL_ADMIN: '' });
    const second = await start({ HAPROXY_OTEL_ADMIN: '' });
    expect(second.logged('ready')?.admin).toBe('off');
    const errors = second.logs.filter(({ level }) => level === 'error' || level === 50);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({
      address: '127.0.0.1:12347',
      msg: expect.stringContaining('set HAPROXY_OTEL_ADMIN'),
    });
    const socket = await peer(second, 'records');
    socket.write(octetCounted(recordLine()));
    await new Promise<void>((resolve) => socket.end(resolve));
    expect(await second.end()).toBe(0);
    expect(second.logged('stopped')?.records).toMatchObject({ sampled: 1 });
  });

  test('a port in use: one clear line and exit code 1', async () => {
    const first = await start();
    const address = String(first.logged('ready')?.admin);
    const second = AgentProcess.spawn(['run'], {
      HAPROXY_OTEL_SPOP: '127.0.0.1:0',
      HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
      HAPROXY_OTEL_ADMIN: address,
    });
    running.push(second);
    expect(await second.exited()).toBe(1);
    expect(second.output).toContain(`cannot listen on ${address}`);
  });
});

describe('health', () => {
  test('ready, with the state of the exporter', async () => {
    const agent = await start();
    const health = await requestAdmin(agent, '/healthz');
    expect([health.status, JSON.parse(health.body).status]).toEqual([200, 'ok']);
    expect(health.headers['content-type']).toContain('application/json');
    const { status, body } = await requestAdmin(agent, '/readyz');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual({
      status: 'ok',
      mint: 'alive',
      telemetry: 'alive',
      listening: true,
      exporter: 'none',
      lastExport: null,
    });
  });

  test('the last export of what is printed, too', async () => {
    const agent = await start({ OTEL_TRACES_EXPORTER: 'console' });
    await record(agent, [recordLine()]);
    const { body } = await requestAdmin(agent, '/readyz');
    expect(JSON.parse(body)).toMatchObject({
      exporter: 'working',
      lastExport: expect.stringMatching(/^20\d\d-/),
    });
  });

  test('a receiver that is away makes the agent no less ready', async () => {
    const agent = await start({
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:geheim@127.0.0.1:${await freePort()}`,
      OTEL_BSP_SCHEDULE_DELAY: '10',
    });
    await record(agent, [recordLine()]);
    await until('the export to fail', () => agent.logged('export fails, spans wait'));
    const { status, body } = await requestAdmin(agent, '/readyz');
    expect([status, JSON.parse(body).exporter]).toEqual([200, 'failing']);
    const { exporter } = (await live(agent)).state as unknown as {
      exporter: Record<string, unknown>;
    };
    expect(exporter).toMatchObject({
      state: 'failing',
      reason: expect.stringContaining('UNAVAILABLE'),
    });
    expect(JSON.stringify(await live(agent))).not.toContain('geheim');
    expect((await requestAdmin(agent, '/metrics')).body).toMatch(/^haproxy_otel_exporter_up 0$/m);
  });

  test('an agent that stops is not ready, and answers so until it has stopped', async () => {
    const agent = await start({
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      HAPROXY_OTEL_STOP_TIMEOUT: '60000',
    });
    await record(agent, [recordLine()]);
    agent.process.kill('SIGTERM');
    await until(
      'the agent to be unready',
      async () => (await requestAdmin(agent, '/readyz')).status === 503,
    );
    expect((await requestAdmin(agent, '/healthz')).status).toBe(200);
  });
});

test('the feed sends what came, the page connects to nothing else, and browsers do not cache it', async () => {
  const agent = await start();
  const page = await requestAdmin(agent, '/');
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect(page.headers['cache-control']).toBe('no-store');
  expect(page.headers['x-content-type-options']).toBe('nosniff');
  expect(page.body).not.toMatch(/(src|href)="(https?:)?\/\//);
  for (const [, name] of page.body.matchAll(/(?:src|href)="([\w.]+)"/g)) {
    if (name === 'metrics') continue;
    expect([name, (await requestAdmin(agent, `/${name}`)).status]).toEqual([name, 200]);
  }

  const events = await new Promise<string>((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', ...adminOf(agent), path: '/api/events?trace=ab' },
      (response) => {
        expect(response.headers['content-type']).toContain('text/event-stream');
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
          // The second round.
          if (text.split('event: hops').length < 3) return;
          outgoing.destroy();
          resolve(text);
        });
        response.once('error', () => {});
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
  for (const [, data = ''] of events.matchAll(/^data: (.*)$/gm)) {
    expect(JSON.parse(data)).toBeTypeOf('object');
  }
});

test('counts of the mint thread, contexts and decisions, and what is minted and not recorded', async () => {
  const agent = await start();
  const spop = await peer(agent, 'spop');
  const mint = notify(1, 1, [['mint', []]]);
  spop.write(Buffer.concat([hello(), mint, mint, mint, mint]));
  await record(agent, [
    recordLine(hopOf(1), { end: MICROSECONDS() }),
    recordLine(hopOf(2, '02')),
    recordLine(`${hopOf(3)}-h`),
    recordLine(`${hopOf(4, '02')}-h`),
    recordLine(`${hopOf(5, '02')}-b7ad6b7169203331`),
    recordLine(`${hopOf(6, '00')}-b7ad6b7169203331-h`),
  ]);
  await until('the counts', async () => ((await live(agent)).state.mint.requests as number) === 4);
  const { state } = await live(agent);
  expect(state.mint).toMatchObject({ connections: 1, started: 4, continued: 0, sampled: 4 });
  // Three of the six hops are HAProxy's own.
  expect(state.records).toMatchObject({ sampled: 2, unsampled: 4, minted: 3, unrecorded: 1 });
  const { body } = await requestAdmin(agent, '/metrics');
  for (const line of [
    'haproxy_otel_notifies_total 4',
    'haproxy_otel_contexts_total{result="started"} 4',
    'haproxy_otel_sampling_decisions_total{decision="sampled"} 4',
    'haproxy_otel_minted_unrecorded 1',
    'haproxy_otel_mint_duration_seconds_count 4',
    'haproxy_otel_records_total{outcome="unsampled",fault="unknown"} 4',
    'haproxy_otel_records_total{outcome="ok",fault="none"} 2',
  ]) {
    expect(body.split('\n')).toContain(line);
  }
});

test('a hop of tail sampling is counted once', async () => {
  const agent = await start({ HAPROXY_OTEL_KEEP_ERRORS: 'true' });
  const end = MICROSECONDS();
  await record(agent, [
    recordLine(hopOf(1, '00'), { end, status: 500 }),
    recordLine(hopOf(2, '00'), { end }),
    recordLine(hopOf(3), { end }),
  ]);
  const { body } = await requestAdmin(agent, '/metrics');
  const counts = [...body.matchAll(/^haproxy_otel_records_total\{outcome="(\w+)".*\} (\d+)$/gm)];
  expect(Object.fromEntries(counts.map(([, outcome, count]) => [outcome, Number(count)]))).toEqual({
    ok: 1,
    server_5xx: 1,
    unsampled: 1,
  });
  const { unsampled } = (await live(agent)).traffic;
  expect(unsampled.reduce((sum, count) => sum + count, 0)).toBe(1);
});

test('secrets of queries are redacted, own attributes and headers of the exporter never shown', async () => {
  const agent = await start({
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=verysecret',
    HAPROXY_OTEL_ADMIN_TOKEN_FILE: TOKEN_FILE,
    HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
  });
  const authorization = `Bearer ${TOKEN}`;
  const socket = await peer(agent, 'records');
  const end = MICROSECONDS();
  socket.write(
    octetCounted(
      recordLine(hopOf(1), {
        end,
        target: '/a?sig=verysecret&b=1&X-Amz-Signature=verysecret',
        own: { 'http.request.header.authorization': 'verysecret' },
      }),
    ),
  );
  const told = await until('the hop', async () => {
    const { body } = await requestAdmin(agent, '/api/live', { headers: { authorization } });
    return body.includes(hopOf(1).slice(0, 32)) && body;
  });
  expect(told).toContain('sig=REDACTED&b=1&X-Amz-Signature=REDACTED');
  for (const text of [
    told,
    (await requestAdmin(agent, '/metrics', { headers: { authorization } })).body,
  ]) {
    expect(text).not.toContain('verysecret');
    expect(text).not.toContain(TOKEN);
  }
});

test('the message of a receiver is shown without the secrets in it', async () => {
  const receiver = await OtlpReceiver.start({
    onExport: () => ({ code: status.UNAUTHENTICATED, details: 'no such token: verysecret' }),
  });
  const agent = await start({
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20verysecret',
    OTEL_BSP_SCHEDULE_DELAY: '10',
  });
  await record(agent, [recordLine()]);
  const told = await until('the refusal', async () => {
    const { body } = await requestAdmin(agent, '/api/live');
    return body.includes('no such token') && body;
  });
  expect(told).toContain('no such token: REDACTED');
  expect(told).not.toContain('verysecret');
  const refused = await until('the log line', () => agent.logged('the receiver refuses spans'));
  expect(refused.reason).toContain('no such token: REDACTED');
  expect(JSON.stringify(agent.logs) + agent.output).not.toContain('verysecret');
  const { body } = await requestAdmin(agent, '/metrics');
  expect(body).toContain('haproxy_otel_spans_dropped_total{reason="refused"} 2');
  expect(body).toMatch(/^haproxy_otel_exporter_up 0$/m);
  expect(JSON.parse((await requestAdmin(agent, '/readyz')).body).exporter).toBe('refusing');
  receiver.stop();
});

test('hops by filter', async () => {
  const agent = await start();
  const end = MICROSECONDS();
  await record(agent, [
    recordLine(hopOf(1), { end }),
    recordLine(hopOf(2), {
      end,
      status: 503,
      termination_state: 'SC--',
      server: '<NOSRV>',
      Tc: -1,
      Tr: -1,
    }),
    recordLine(hopOf(3), { end, frontend: 'other', backend: 'b2', server: 's2', status: 404 }),
    recordLine(hopOf(4), { end, status: -1, termination_state: 'CH--' }),
    recordLine(hopOf(5), { end, retries: '+1' }),
  ]);
  const found = async (query: string) => {
    const { errors, slow, latest } = (await live(agent, query)).hops;
    return [...errors, ...slow, ...latest].map(({ traceId }) => traceId).sort();
  };
  const ids = (...indexes: number[]) => indexes.map((index) => hopOf(index).slice(0, 32)).sort();
  expect(await found('')).toEqual(ids(1, 2, 3, 4, 5));
  expect(await found('?status=error')).toEqual(ids(2));
  expect(await found('?status=5xx')).toEqual(ids(2));
  expect(await found('?status=404')).toEqual(ids(3));
  expect(await found('?status=aborted')).toEqual(ids(4));
  expect(await found('?status=retried')).toEqual(ids(5));
  expect(await found('?frontend=other')).toEqual(ids(3));
  expect(await found('?backend=b2&server=s2')).toEqual(ids(3));
  expect(await found('?backend=app&server=s2')).toEqual([]);
  expect(await found(`?trace=${hopOf(5).slice(0, 9)}`)).toEqual(ids(5));
  const { errors } = (await live(agent)).hops;
  expect(errors.map(({ cause }) => cause).sort()).toEqual(['client_abort', 'no_server']);
  const { backends } = (await live(agent)).traffic;
  expect(backends.map(({ name, total }) => [name, total.requests, total.errors])).toEqual([
    ['app', 4, 1],
    ['b2', 1, 0],
  ]);
});

test('one trace that is asked for before it comes is found on a busy agent', async () => {
  const agent = await start();
  // In whatever list: the first of each ten seconds are its slowest.
  const found = async (hop: string): Promise<number> => {
    const { errors, slow, latest } = (await live(agent, `?trace=${hop.slice(0, 32)}`)).hops;
    return errors.length + slow.length + latest.length;
  };
  const many = Array.from({ length: 1_000 }, (_, i) => recordLine(hopOf(i)));
  let next = 2_000;
  // Where the agent's next second begins in the midst of them, there is room for both.
  await until('a second that has no room for another', async () => {
    const [wanted, other] = [hopOf(next), hopOf(next + 1)];
    next += 2;
    expect(await found(wanted)).toBe(0);
    await record(agent, [...many, recordLine(wanted), recordLine(other)]);
    expect(await found(wanted)).toBe(1);
    return (await found(other)) === 0;
  });
});

/** Opens a page's feed, which stays open until the test is over. */
function openFeed(agent: AgentProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', ...adminOf(agent), path: '/api/events', agent: false },
      (response) => {
        response.resume().once('error', () => {});
        resolve(response.statusCode ?? 0);
      },
    );
    outgoing.once('error', reject);
    outgoing.once('socket', (socket) => sockets.push(socket as Socket));
    outgoing.end();
  });
}

test('more pages than there is room for get an error', async () => {
  const agent = await start();
  const statuses: number[] = [];
  for (let i = 0; i < 33; i += 1) statuses.push(await openFeed(agent));
  expect(statuses.filter((status) => status === 200)).toHaveLength(32);
  expect(statuses.at(-1)).toBe(503);
  sockets.shift()?.destroy();
  await until('room for another', async () => (await openFeed(agent)) === 200);
});

test('feeds that are pipelined on one connection leave no page behind when it is closed', async () => {
  const agent = await start();
  const where = adminOf(agent) as { port: number };
  const socket = connect(where.port, '127.0.0.1');
  sockets.push(socket);
  socket.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(40));
  await once(socket, 'data');
  socket.destroy();
  await until('room for all pages', async () => (await openFeed(agent)) === 200);
  for (let i = 1; i < 31; i += 1) expect(await openFeed(agent)).toBe(200);
});
