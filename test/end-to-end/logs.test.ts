import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { requestAdmin } from '../admin/admin-request.ts';
import { until } from '../agent-process.ts';
import { LogReceiver, type ReceivedLog } from '../telemetry/log-receiver.ts';
import { added, plain } from './added.ts';
import { Chain, get, type Response } from './chain.ts';
import { runCommand } from './runtime-api.ts';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-logs-'));
const runtime = join(folder, 'haproxy.sock');
/** What the user's own logger gets. */
const userLines: string[] = [];
const SPAN_ID = 'b7ad6b7169203331';

let chain: Chain;
let receiver: LogReceiver;
let logger: Socket;
let untraced: number;
let quiet: number;

beforeAll(async () => {
  logger = createSocket('udp4');
  logger.on('message', (line) =>
    userLines.push(
      line
        .toString()
        .replace(/^<\d+>/, '')
        .trimEnd(),
    ),
  );
  logger.bind(0, '127.0.0.1');
  await once(logger, 'listening');
  receiver = await LogReceiver.start();
  untraced = await freePort();
  quiet = await freePort();
  chain = await Chain.start({
    agentEnv: {
      OTEL_LOGS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: receiver.endpoint,
      OTEL_BLRP_SCHEDULE_DELAY: '20',
      HAPROXY_OTEL_QUERY: 'redact:token',
      HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
    },
    editConfig: (config, ports) => {
      const user = `    log 127.0.0.1:${logger.address().port} len 8192 format raw local0\n    option httplog\n`;
      const before = plain(config)
        .replace('defaults base\n', `defaults base\n${user}`)
        .replace(
          /\nbackend app\n.*\n/,
          (app) => `${app.trimEnd()} check inter 200ms\n    option log-health-checks\n`,
        )
        .replace('global\n', `global\n    stats socket ${runtime} level admin\n`)
        .concat(
          `\nfrontend untraced\n    bind 127.0.0.1:${untraced}\n    default_backend app\n`,
          `\nfrontend quiet\n    bind 127.0.0.1:${quiet}\n    option dontlog-normal\n    default_backend app\n`,
        );
      const after = added(folder, before, ports, [
        '--tcp',
        '--states',
        '--frontend',
        'www,tcp,quiet',
      ]);
      const ring = '    log ring@otel len 16300 format rfc5424 local0\n';
      return after.replace('\nfrontend untraced\n', (head) => `${head}${ring}`);
    },
  });
});

afterAll(async () => {
  await chain?.stop();
  receiver?.stop();
  logger?.close();
  rmSync(folder, { recursive: true });
});

/** The log record of a trace, once it is there. */
function logOf({ traceId }: { readonly traceId: string }): Promise<ReceivedLog> {
  return until(`the log record of ${traceId}`, () =>
    receiver.logs.find((log) => log.traceId === traceId),
  );
}

const unsampled = (index: number): Record<string, string> => ({
  traceparent: `00-${String(index).padStart(32, 'f')}-${SPAN_ID}-00`,
});

describe('one log record a hop', () => {
  test("with the ids and attributes of the SERVER span, and the user's own line", async () => {
    const response = await chain.get('/api/one');
    const [log, { server }] = [await logOf(response), await chain.hop(response.traceId)];
    expect(log).toMatchObject({
      eventName: 'haproxy.request',
      severity: 9,
      severityText: 'INFO',
      spanId: server.spanId,
      flags: server.flags & 0xff,
      time: server.end,
      attributes: server.attributes,
    });
    const line = await until("the user's line", () =>
      userLines.find((each) => each.includes('GET /api/one ')),
    );
    expect(line).toContain(String(log.body));
    expect(log.body).toMatch(
      /^127\.0\.0\.1:\d+ \[.*\] www app\/app1 .* "GET \/api\/one HTTP\/1\.1"$/,
    );
    expect(log.observed).toBeGreaterThanOrEqual(log.time);
  });

  test('of as many requests as there were, sampled or not, whatever their end', async () => {
    const ends: readonly [string, number, number][] = [
      ['/api/count', 200, 9],
      ['/forbidden', 403, 9],
      ['/nowhere', 503, 17],
      ['/refused', 200, 13],
    ];
    const all: [Response, number][] = [];
    for (let round = 0; round < 5; round += 1) {
      for (const [path, status, severity] of ends) {
        const headers = round % 2 === 0 ? unsampled(all.length + 1) : {};
        const response = await chain.get(`${path}?round=${round}`, { headers });
        expect([path, response.status]).toEqual([path, status]);
        all.push([response, severity]);
      }
    }
    for (const [response, severity] of all) {
      const log = await logOf(response);
      expect([log.body, log.severity]).toEqual([log.body, severity]);
    }
    const logs = receiver.logs.filter(({ attributes }) =>
      /^round=/.test(String(attributes['url.query'])),
    );
    expect(logs).toHaveLength(all.length);
    expect(new Set(logs.map(({ traceId }) => traceId)).size).toBe(all.length);
    const sampled = await until('the spans of what is sampled', () => {
      const traced = new Set(chain.haproxySpans().map(({ traceId }) => traceId));
      const found = all.filter(([{ traceId }]) => traced.has(traceId));
      return found.length >= 8 && found;
    });
    expect(sampled).toHaveLength(8);
  });

  test('of a connection, of a bad request, and of what has no line of its own', async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(chain.ports.tcp, '127.0.0.1', () =>
        socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
      );
      socket.resume().once('close', () => resolve());
    });
    const connection = await until('the log record of the connection', () =>
      receiver.logs.find(({ eventName }) => eventName === 'haproxy.connection'),
    );
    expect(connection.attributes).toMatchObject({ 'haproxy.frontend.name': 'tcp' });

    // It waits for the answer: a client that leaves at once may be what HAProxy sees first.
    const socket = connect(chain.ports.http, '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'));
    await once(socket.resume(), 'close');
    const bad = await until('the log record of the bad request', () =>
      receiver.logs.find(({ attributes }) => attributes['error.type'] === 'invalid_request'),
    );
    expect([bad.severity, bad.body]).toEqual([13, expect.stringContaining('<BADREQ>')]);

    // Reported with the headers of its reply: HAProxy logs no line then.
    const response = await get(quiet, '/api/quiet?a=b', {
      headers: { traceparent: `00-${'c'.repeat(32)}-${SPAN_ID}-01` },
    });
    expect(response.status).toBe(200);
    const reported = await logOf({ traceId: 'c'.repeat(32) });
    expect(reported.body).toMatch(/^GET \/api\/quiet 200 quiet app\/app1 - \d+ms$/);
  });
});

test('queries are redacted as the user wants in span, log record, its body and on the page', async () => {
  const response = await chain.get('/api/secret?token=s3cret&page=2', {
    headers: { referer: 'https://x.example/?token=s3cret' },
  });
  const [log, { server, client }] = [await logOf(response), await chain.hop(response.traceId)];
  const shown = 'token=REDACTED&page=2';
  expect(server.attributes['url.query']).toBe(shown);
  expect(client?.attributes['url.full']).toContain(`?${shown}`);
  expect(log.attributes['url.query']).toBe(shown);
  expect(log.body).toContain(`"GET /api/secret?${shown} HTTP/1.1"`);
  const page = await until('the hop on the page', async () => {
    const { body } = await requestAdmin(chain.agent, `/api/live?trace=${response.traceId}`);
    return body.includes('/api/secret') && body;
  });
  expect(page).toContain(shown);
  expect(page).not.toContain('s3cret');
  // The user's own file has it.
  expect(
    await until('the line', () => userLines.find((line) => line.includes('s3cret'))),
  ).toBeTruthy();
});

describe('what HAProxy logs beside hops', () => {
  const first = (pattern: RegExp): Promise<ReceivedLog> =>
    until(`a log record like ${pattern}`, () =>
      receiver.logs.find(({ body }) => pattern.test(String(body))),
    );

  test('a line of a frontend that is not traced is a log record of no trace', async () => {
    await get(untraced, '/api/untraced?sig=s3cret&a=1');
    const log = await first(/GET \/api\/untraced/);
    expect(log).toMatchObject({
      eventName: 'haproxy.message',
      severity: 9,
      severityText: 'info',
      traceId: '',
      spanId: '',
      flags: 0,
      attributes: {},
    });
    expect(log.body).toContain('untraced app/app1');
    expect(log.body).toContain('?sig=REDACTED&a=1 HTTP/1.1"');
  });

  test('states of servers have a severity that an operator would choose', async () => {
    const of = { 'haproxy.backend.name': 'app', 'haproxy.server.name': 'app1' };
    await runCommand(runtime, 'set server app/app1 state maint');
    expect(await first(/^Server app\/app1 is going DOWN for maintenance/)).toMatchObject({
      eventName: 'haproxy.server_state',
      severity: 10,
      attributes: of,
    });
    expect(await first(/^backend app has no server available!/)).toMatchObject({
      eventName: 'haproxy.backend_state',
      severity: 17,
      severityText: 'emerg',
      attributes: { 'haproxy.backend.name': 'app' },
    });
    await runCommand(runtime, 'set server app/app1 state ready');
    expect(await first(/^Server app\/app1 is UP/)).toMatchObject({ severity: 10, attributes: of });

    await runCommand(runtime, 'set server app/app1 health down');
    expect(await first(/^Server app\/app1 is DOWN/)).toMatchObject({
      eventName: 'haproxy.server_state',
      severity: 17,
      severityText: 'alert',
      attributes: of,
    });
    expect(await first(/^Health check for server app\/app1 succeeded/)).toMatchObject({
      eventName: 'haproxy.health_check',
      severity: 10,
    });
  });

  test('no line was unusable, and none was lost', async () => {
    await chain.agent.end();
    const { records, logs } = chain.agent.logged('stopped') as {
      records: { unusable: number; messages: number; sampled: number; unsampled: number };
      logs: { exported: number; waiting: number };
    };
    expect(records.unusable).toBe(0);
    expect(records.messages).toBeGreaterThan(4);
    expect(logs).toMatchObject({ waiting: 0, exported: receiver.logs.length });
    expect(receiver.logs.length).toBe(records.sampled + records.unsampled + records.messages);
  });
});
