import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { hopOf } from '../records/lines.ts';
import { afterwards, COUNTED, receive, startExporting, untilExported } from './exporting-agent.ts';
import { expectExactly, send } from './hops.ts';
import { answer, receiveHttp } from './http-receiver.ts';
import { spansIn } from './otlp-types.ts';

const HTTP = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' };

/** Each hop from 0 on is there with two spans, once. */
function expectHops(requests: readonly { readonly body: Buffer }[], hops: number): void {
  const spans = requests.flatMap(({ body }) => spansIn(body));
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(2 * hops);
  expect(spans).toHaveLength(2 * hops);
  const traces = new Set(spans.map(({ traceId }) => traceId));
  const wanted = Array.from({ length: hops }, (_, i) => hopOf(i).slice(0, 32));
  expect(wanted.filter((trace) => !traces.has(trace))).toEqual([]);
}

const spansOf = (requests: readonly { readonly body: Buffer }[]): number =>
  requests.reduce((sum, { body }) => sum + spansIn(body).length, 0);

test('what is too large arrives in parts, every span once', async () => {
  const receiver = await receiveHttp((response, _index, { body }) => {
    answer(response, body.length > 50_000 ? 413 : 200);
  });
  const agent = await startExporting(`http://127.0.0.1:${receiver.port}`, {
    ...HTTP,
    OTEL_BSP_SCHEDULE_DELAY: '300',
  });
  await send(agent, 0, 400);
  const accepted = () => receiver.requests.filter(({ body }) => body.length <= 50_000);
  await until('800 spans', () => spansOf(accepted()) >= 800);
  expectHops(accepted(), 400);
  await agent.end();
  expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 800, refused: 0 } });
});

test('a receiver that comes late, and is busy then, gets everything once', async () => {
  const port = await freePort();
  const agent = await startExporting(`http://127.0.0.1:${port}/busy`, HTTP);
  await send(agent, 0, 100);
  const { reason } = await until('the export to fail', () =>
    agent.logged('export fails, spans wait'),
  );
  expect(reason).toContain('ECONNREFUSED');
  const receiver = await receiveHttp(
    (response, index) => answer(response, [429, 502, 503][index] ?? 200),
    { port },
  );
  await until('the end of the episode', () => agent.logged('export works again'));
  await agent.end();
  expectHops(receiver.requests.slice(3), 100);
  expect(receiver.requests[0]?.url).toBe('/busy/v1/traces');
  expect(agent.logs.filter(({ level }) => level === 'warn')).toHaveLength(1);
});

test('SIGHUP changes the protocol, and what waits goes the new way', async () => {
  const settings = join(tmpdir(), `haproxy-otel-http-${process.pid}.env`);
  const write = (endpoint: string, protocol: string): void =>
    writeFileSync(
      settings,
      `OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}
OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}
OTEL_EXPORTER_OTLP_HEADERS=api-key=geheim
`,
    );
  afterwards(() => rmSync(settings));
  const [grpc, http] = [await receive(), await receiveHttp()];
  write(grpc.endpoint, 'grpc');
  const agent = await startExporting('', { HAPROXY_OTEL_CONFIG: settings, ...COUNTED });
  await send(agent, 0, 10);
  await untilExported(agent, 20);
  grpc.stop();
  await send(agent, 10, 20);
  await until('the export to fail', () => agent.logged('export fails, spans wait'));
  write(`http://127.0.0.1:${http.port}`, 'http/protobuf');
  agent.process.kill('SIGHUP');
  await until('the rest', () => spansOf(http.requests) >= 20);
  expect(spansOf(http.requests)).toBe(20);
  expectExactly(grpc, 0, 10);
  expect(http.requests[0]?.headers['api-key']).toBe('geheim');
  const reloaded = await until('the reload to be logged', () => agent.logged('reloaded'));
  expect(reloaded).toMatchObject({
    changed: ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    config: {
      telemetry: {
        exporters: {
          traces: {
            protocol: 'http/protobuf',
            endpoint: `http://127.0.0.1:${http.port}/v1/traces`,
            headers: { 'api-key': '***' },
          },
        },
      },
    },
  });
  await agent.end();
  expect(JSON.stringify(agent.logs)).not.toContain('geheim');
  expect(agent.logged('stopped')).toMatchObject({ spans: { exported: 40, waiting: 0 } });
});

test('what a receiver answers is logged without the secrets that are sent to it', async () => {
  const receiver = await receiveHttp((response, _index, { headers }) =>
    answer(response, 401, { 'content-type': 'text/plain' }, `no such token: ${headers['api-key']}`),
  );
  const agent = await startExporting(`http://127.0.0.1:${receiver.port}`, {
    ...HTTP,
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=geheim',
  });
  await send(agent, 0, 1);
  const { reason } = await until('the refusal', () => agent.logged('the receiver refuses spans'));
  expect(reason).toContain('HTTP 401 Unauthorized: no such token: REDACTED');
  await agent.end();
  expect(receiver.requests).toHaveLength(1);
  expect(agent.logged('stopped')).toMatchObject({ spans: { refused: 2, retries: 0 } });
});
