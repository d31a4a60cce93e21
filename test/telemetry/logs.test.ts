import { rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import type { Logger } from '../../src/log.ts';
import { MessageReader } from '../../src/records/message.ts';
import { createPipeline } from '../../src/telemetry/create-pipeline.ts';
import { messageSeverity } from '../../src/telemetry/logs/severity.ts';
import type { RecordCounts } from '../../src/telemetry/pipeline.ts';
import { type AgentProcess, until } from '../agent-process.ts';
import { hopOf, lineTime, recordLine } from '../records/lines.ts';
import { afterwards, startExporting } from './exporting-agent.ts';
import { answer, receiveHttp } from './http-receiver.ts';
import { decodeLogs, LogReceiver, type ReceivedLog } from './log-receiver.ts';

const TIME = 1_795_418_260_853_713;

async function receiveLogs(): Promise<LogReceiver> {
  const receiver = await LogReceiver.start();
  afterwards(() => receiver.stop());
  return receiver;
}

/** Sends lines as HAProxy's rings do, and waits for the agent to have read them all. */
async function sendLines(agent: AgentProcess, lines: readonly string[]): Promise<void> {
  const port = Number(String(agent.logged('ready')?.records).split(':').at(-1));
  const socket = connect(port, '127.0.0.1');
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.end(lines.map((line) => `${line}\n`).join(''));
  });
}

const message = (text: string, priority = 134): string =>
  `<${priority}>1 ${lineTime(TIME)} - haproxy 1234 - - ${text}`;

/** Two hops that are sampled and two that are not, of which one each failed, and other lines. */
const LINES = [
  recordLine(hopOf(1), { message: 'sampled' }),
  recordLine(hopOf(2), { message: 'sampled, failed', status: 503, termination_state: 'sH--' }),
  recordLine(hopOf(3, '02'), { message: 'unsampled' }),
  recordLine(hopOf(4, '02'), { message: 'unsampled, failed', status: 500 }),
  recordLine(hopOf(5, '02'), { message: 'unsampled, client left', termination_state: 'CD--' }),
  recordLine('-', { message: 'a handshake', error: 'SSL handshake failure' }),
  message('Server app/app1 is DOWN', 129),
  message('a line of a frontend that is not traced'),
];

/** What becomes of lines in a telemetry path with these settings, and a receiver of its log records. */
async function pipe(
  env: Readonly<Record<string, string>>,
  lines: readonly string[],
): Promise<{
  readonly logs: ReceivedLog[];
  readonly counts: RecordCounts;
  readonly exported: unknown;
}> {
  const receiver = await receiveLogs();
  const { telemetry } = loadConfig({
    OTEL_TRACES_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: receiver.endpoint,
    ...env,
  });
  const log = { warn: vi.fn(), error: vi.fn(), info: vi.fn() } as unknown as Logger;
  const { pipeline, logs } = await createPipeline(telemetry, log);
  for (const line of lines.map((text) => Buffer.from(text))) {
    pipeline.processLine(line, 0, line.length);
  }
  await logs?.output.flush(60_000);
  return { logs: receiver.logs, counts: pipeline.counts, exported: logs?.output.counts.exported };
}

describe('which hops become log records', () => {
  test.each([
    ['all', [0, 1, 2, 3, 4, 5, 6, 7]],
    ['sampled', [0, 1, 3, 6, 7]],
    ['failed', [1, 3, 6]],
  ])('HAPROXY_OTEL_LOGS=%s', async (which, wanted) => {
    const { logs, counts, exported } = await pipe({ HAPROXY_OTEL_LOGS: which }, LINES);
    const bodies = LINES.map((line) => / - (?:-|\[otel.*?"\]) (.*)$/.exec(line)?.[1]);
    expect(logs.map(({ body }) => body)).toEqual(wanted.map((index) => bodies[index]));
    expect(counts).toMatchObject({
      sampled: 2,
      unsampled: 3,
      connectionErrors: 1,
      messages: 2,
      unusable: 0,
    });
    expect(exported).toBe(wanted.length);
  });

  test('a slow hop of tail sampling is one of those whose spans are exported', async () => {
    const env = { HAPROXY_OTEL_LOGS: 'sampled', HAPROXY_OTEL_KEEP_SLOWER_THAN: '40' };
    const { logs } = await pipe(env, LINES.slice(2, 3));
    expect(logs.map(({ attributes }) => attributes['haproxy.kept'])).toEqual(['slow']);
  });
});

test('a connection that failed before a request is of a trace only where it has a span', async () => {
  const line = LINES.slice(5, 6);
  const expected = { eventName: 'haproxy.connection_error', severity: 13, body: 'a handshake' };
  expect((await pipe({}, line)).logs).toMatchObject([
    { ...expected, traceId: '', spanId: '', flags: 0 },
  ]);
  expect((await pipe({ HAPROXY_OTEL_CONNECTION_ERRORS: 'span' }, line)).logs).toMatchObject([
    { ...expected, traceId: expect.stringMatching(/^[0-9a-f]{32}$/) },
  ]);
});

test('by default there are none, and a line without a record is unusable', async () => {
  const { logs, counts, exported } = await pipe({ OTEL_LOGS_EXPORTER: '' }, LINES);
  expect([logs, exported]).toEqual([[], undefined]);
  expect(counts).toMatchObject({ messages: 0, unusable: 2 });
});

test('a cut record and one of another release are no messages', async () => {
  const cut = LINES[0] ?? '';
  const { logs, counts } = await pipe({}, [
    cut.slice(0, cut.indexOf(' app1 ') - 40),
    cut.replace('http="2 ', 'http="1 '),
    'no line of HAProxy at all',
  ]);
  expect(logs).toEqual([]);
  expect(counts).toMatchObject({ messages: 0, unusable: 3 });
});

test('to the console, as the SDK writes them', async () => {
  const agent = await startExporting('http://127.0.0.1:9', {
    OTEL_LOGS_EXPORTER: 'console',
    OTEL_TRACES_EXPORTER: 'none',
  });
  await sendLines(agent, LINES.slice(0, 1));
  await until('the log record', () => agent.output.includes("body: 'sampled'"));
  expect(agent.output).toContain(`traceId: '${hopOf(1).slice(0, 32)}'`);
  expect(agent.output).toContain("'url.path': '/a'");
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({ logs: { exported: 1 } });
});

test('many in batches, none twice, while the receiver of spans is away', async () => {
  const logs = await receiveLogs();
  const agent = await startExporting('http://127.0.0.1:9', {
    OTEL_LOGS_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: logs.endpoint,
    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '100',
    OTEL_BLRP_SCHEDULE_DELAY: '3600000',
  });
  const indices = Array.from({ length: 1_050 }, (_, i) => i);
  await sendLines(
    agent,
    indices.map((i) => recordLine(hopOf(i), { message: `line ${i}` })),
  );
  await until('the batches that are full', () => logs.logs.length >= 1_000);
  agent.process.kill('SIGTERM');
  await until('the rest', () => logs.logs.length >= 1_050);
  // It waits for the receiver of spans, for a minute: a second signal ends it at once.
  await agent.end();
  const bodies = logs.logs.map(({ body }) => String(body)).sort();
  expect(bodies).toEqual(indices.map((i) => `line ${i}`).sort());
});

test('over HTTP to /v1/logs, and on SIGHUP over gRPC to somebody else, with what waits', async () => {
  const settings = join(tmpdir(), `haproxy-otel-logs-${process.pid}.env`);
  const write = (...lines: readonly string[]): void => writeFileSync(settings, lines.join('\n'));
  afterwards(() => rmSync(settings));
  let isAway = false;
  const http = await receiveHttp((response) => void answer(response, isAway ? 503 : 200));
  const logs = await receiveLogs();
  write(
    `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://127.0.0.1:${http.port}/v1/logs`,
    'OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf',
  );
  const agent = await startExporting('http://127.0.0.1:9', {
    OTEL_TRACES_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'otlp',
    OTEL_BLRP_SCHEDULE_DELAY: '20',
    HAPROXY_OTEL_CONFIG: settings,
  });
  await sendLines(agent, LINES.slice(0, 1));
  await until('the first over HTTP', () => http.requests.length > 0);
  const [request] = http.requests;
  expect(request?.url).toBe('/v1/logs');
  expect(decodeLogs(request?.body ?? Buffer.alloc(0))).toMatchObject([{ body: 'sampled' }]);

  isAway = true;
  await sendLines(agent, LINES.slice(1, 2));
  await until('the export to fail', () => agent.logged('export fails, log records wait'));
  write(`OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=${logs.endpoint}`);
  agent.process.kill('SIGHUP');
  await until('the second over gRPC', () => logs.logs.length > 0);
  expect(logs.logs).toMatchObject([{ body: 'sampled, failed' }]);
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({ logs: { exported: 2, waiting: 0 } });
});

describe('the severity of what HAProxy reports of itself', () => {
  test.each([
    ['Server app/s1 is DOWN, reason: Layer4 connection problem', 129, 17, 'app', 's1'],
    ['Backup Server app/s2 is DOWN. 0 active', 129, 17, 'app', 's2'],
    ['Server app/s1 is going DOWN for maintenance. 1 active', 129, 10, 'app', 's1'],
    ['Server app/s1 was DOWN and now enters maintenance.', 133, 10, 'app', 's1'],
    ['Server app/s1 is UP, reason: Layer4 check passed', 133, 10, 'app', 's1'],
    ['backend app has no server available!', 128, 17, 'app', undefined],
    ['Health check for server app/s1 failed, reason: x, status: 1/2 UP.', 133, 13, 'app', 's1'],
    ['Health check for backup server app/s1 succeeded, reason: x', 133, 10, 'app', 's1'],
    ['Paused frontend www.', 132, 13, undefined, undefined],
    ['Server of somebody else', 134, 9, undefined, undefined],
  ])('%s', (text, priority, severity, backend, server) => {
    const line = Buffer.from(message(text, priority));
    const read = new MessageReader().read(line, 0, line.length);
    if (read === undefined) throw new Error('no message');
    expect(messageSeverity(read).number).toBe(severity);
    expect([read.about?.backend, read.about?.server]).toEqual([backend, server]);
    expect(read.time).toBe(TIME);
    expect(line.toString('utf8', read.line.start, read.line.end)).toBe(text);
  });
});
