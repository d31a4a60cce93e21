import { constants, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { decodeSpans } from '../../src/demo/otlp-receiver.ts';
import { type AgentProcess, until } from '../agent-process.ts';
import { hopOf } from '../records/lines.ts';
import { afterwards, receive, startExporting } from './exporting-agent.ts';
import { expectExactly, send } from './hops.ts';

const SPLIT =
  'the receiver finds batches too large, they are split: HAPROXY_OTEL_BATCH_BYTES can bound them';
/** The counts of spans that an agent logs when it stops. */
function spansOf(agent: AgentProcess): Record<string, number> {
  return (agent.logged('stopped') as { spans: Record<string, number> }).spans;
}

/** A receiver behind something that answers in its place where `pass` returns false. */
async function receiveBehind(
  pass: (stream: ServerHttp2Stream, body: Buffer) => boolean,
): Promise<{ readonly endpoint: string; readonly spans: number }> {
  let spans = 0;
  const server = createServer();
  server.on('stream', (stream) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const body = Buffer.concat(chunks);
      if (!pass(stream, body)) return;
      spans += decodeSpans(body.subarray(5)).length;
      stream.respond(HEAD, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterwards(() => server.close());
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    get spans() {
      return spans;
    },
  };
}

const LONG_PATH = () => ({ target: `/${'x'.repeat(8000)}` });

test('a batch has a million bytes at most, and is filled', async () => {
  const sizes: number[] = [];
  let spans = 0;
  const receiver = await receive({
    onRequest: (request) => {
      sizes.push(request.length);
      spans += decodeSpans(request).length;
    },
  });
  // Only the last one is not full: it goes out when the agent stops.
  const agent = await startExporting(receiver.endpoint, { OTEL_BSP_SCHEDULE_DELAY: '3600000' });
  await send(agent, 0, 300, LONG_PATH);
  await agent.end();
  expect(spans).toBe(600);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000_000);
  expect(sizes.filter((size) => size > 950_000)).toHaveLength(sizes.length - 1);
  expect(sizes.length).toBeGreaterThan(3);
});

test('a hop that is larger than a batch may be goes out alone', async () => {
  const sizes: [number, number][] = [];
  const receiver = await receive({
    onRequest: (request) => sizes.push([decodeSpans(request).length, request.length]),
  });
  const agent = await startExporting(receiver.endpoint, {
    OTEL_BSP_SCHEDULE_DELAY: '300',
    HAPROXY_OTEL_BATCH_BYTES: '8192',
  });
  await send(agent, 0, 3, (index) => (index === 1 ? LONG_PATH() : {}));
  await until('six spans', () => sizes.reduce((sum, [spans]) => sum + spans, 0) >= 6);
  expect(sizes.map(([spans]) => spans)).toEqual([2, 2, 2]);
  expect(sizes.filter(([, size]) => size > 8192)).toHaveLength(1);
});

test('what a gRPC server finds too large arrives in parts, every span once', async () => {
  const receiver = await receive({ maxRequest: 100_000 });
  const agent = await startExporting(receiver.endpoint, { OTEL_BSP_SCHEDULE_DELAY: '500' });
  await send(agent, 0, 600, LONG_PATH);
  await until('1,200 spans', () => receiver.spans.length >= 1200);
  expectExactly(receiver, 0, 600);
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({
    spans: { exported: 1200, refused: 0, dropped: 0, waiting: 0 },
  });
  expect(agent.logs.filter(({ msg }) => msg === SPLIT)).toEqual([
    expect.objectContaining({ reason: expect.stringContaining('larger than max') }),
  ]);
  expect(agent.logs.filter(({ level }) => level === 'error')).toEqual([]);
});

test('later batches are sent as small as the receiver showed to want them', async () => {
  const receiver = await receive({ maxRequest: 100_000 });
  const agent = await startExporting(receiver.endpoint, { OTEL_BSP_SCHEDULE_DELAY: '500' });
  await send(agent, 0, 100, LONG_PATH);
  await until('200 spans', () => receiver.spans.length >= 200);
  await send(agent, 100, 200, LONG_PATH);
  await until('400 spans', () => receiver.spans.length >= 400);
  await agent.end();
  // Ten refusals at most to learn it: 1,000,000 bytes, and halves of these.
  const { retries } = spansOf(agent);
  expect(retries).toBeLessThanOrEqual(20);
});

test('of spans that are too large by themselves no other is lost', async () => {
  const receiver = await receive({ maxRequest: 8192 });
  const agent = await startExporting(receiver.endpoint, { OTEL_BSP_SCHEDULE_DELAY: '500' });
  await send(agent, 0, 40, (index) => (index % 10 === 0 ? LONG_PATH() : {}));
  await until('the others', () => receiver.spans.length >= 72);
  await agent.end();
  const { exported, refused } = spansOf(agent);
  // The SERVER span has the path in one attribute, and the CLIENT span has it too.
  expect([exported, refused]).toEqual([72, 8]);
  const large = new Set([0, 10, 20, 30].map((index) => hopOf(index).slice(0, 32)));
  expect(receiver.spans.filter(({ traceId }) => large.has(traceId))).toEqual([]);
  expect(agent.logs.filter(({ msg }) => msg === 'the receiver refuses spans').length).toBe(1);
});

test('an HTTP status 413 of what is in front of the receiver is a size, too', async () => {
  const receiver = await receiveBehind((stream, body) => {
    if (body.length <= 50_000) return true;
    stream.respond({ ':status': 413, 'content-type': 'text/html' });
    stream.end('<html><head><title>413 Request Entity Too Large</title></head></html>');
    return false;
  });
  const agent = await startExporting(receiver.endpoint, { OTEL_BSP_SCHEDULE_DELAY: '500' });
  await send(agent, 0, 200);
  await until('400 spans', () => receiver.spans >= 400);
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 400, refused: 0 } });
  expect(agent.logged(SPLIT)).toBeDefined();
});

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };

test.each<[string, (stream: ServerHttp2Stream) => void]>([
  ['as by a rule', (stream) => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)],
  ['as where a connection is cut', (stream) => stream.close(constants.NGHTTP2_NO_ERROR)],
  ['for a fault of what is there', (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
  [
    'within its response',
    (stream) => {
      stream.respond(HEAD);
      setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
    },
  ],
])(
  'a stream that is reset in front of the receiver, %s, is no size: spans wait',
  async (_, reset) => {
    let resets = 0;
    const receiver = await receiveBehind((stream) => {
      if (resets === 3) return true;
      resets += 1;
      reset(stream);
      return false;
    });
    const agent = await startExporting(receiver.endpoint, { OTEL_BSP_SCHEDULE_DELAY: '500' });
    await send(agent, 0, 200);
    await until('400 spans', () => receiver.spans >= 400);
    await agent.end();
    expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 400, refused: 0 } });
    expect(agent.logged(SPLIT)).toBeUndefined();
    expect(agent.logged('export fails, spans wait')).toBeDefined();
  },
);

test('a quota that is refused without RetryInfo is no storm, and what waits meanwhile arrives', async () => {
  let isRefusing = true;
  const receiver = await receive({
    onExport: () =>
      isRefusing ? { code: status.RESOURCE_EXHAUSTED, details: 'quota exceeded' } : undefined,
  });
  const agent = await startExporting(receiver.endpoint, {
    OTEL_BSP_SCHEDULE_DELAY: '200',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '2048',
  });
  await send(agent, 0, 3000);
  const refused = await until('the refusal', () => agent.logged('the receiver refuses spans'));
  expect(refused.reason).toContain('quota exceeded');
  const seconds = 4;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  // Those that are tried at once, and a few with growing pauses.
  expect(receiver.calls).toBeLessThanOrEqual(24 + 8 + 6);
  isRefusing = false;
  await until('the rest', () => receiver.spans.length > 5900);
  await agent.end();
  const { exported = 0, refused: lost = 0, waiting } = spansOf(agent);
  expect([exported + lost, waiting]).toEqual([6000, 0]);
  expect(lost).toBeLessThan(20);
  expect(agent.logs.filter(({ msg }) => msg === SPLIT)).toHaveLength(1);
});
