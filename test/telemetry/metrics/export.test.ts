import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../../../src/demo/ports.ts';
import { AgentProcess, until } from '../../agent-process.ts';
import { hopOf } from '../../records/lines.ts';
import { afterwards, startExporting } from '../exporting-agent.ts';
import { send } from '../hops.ts';
import { receiveHttp } from '../http-receiver.ts';
import { MetricReceiver, pointsIn, type ReceivedPoint } from './metric-receiver.ts';

const DURATION = 'http.server.request.duration';
/** Once it has to be asked for. */
const NEVER = '3600000';
const SOON = '50';

async function receive(): Promise<MetricReceiver> {
  const receiver = await MetricReceiver.start();
  afterwards(() => receiver.stop());
  return receiver;
}

function start(receiver: MetricReceiver, env: Record<string, string>): Promise<AgentProcess> {
  return startExporting(receiver.endpoint, { OTEL_METRICS_EXPORTER: 'otlp', ...env });
}

const counted = (points: readonly ReceivedPoint[]): number =>
  points.reduce((sum, { count }) => sum + count, 0);

test('the last collection is exported on SIGTERM, exemplars of sampled hops included', async () => {
  const receiver = await receive();
  const agent = await start(receiver, {
    OTEL_METRIC_EXPORT_INTERVAL: NEVER,
    OTEL_SERVICE_NAME: 'edge',
    OTEL_TRACES_SAMPLER: 'always_on',
  });
  const before = BigInt(Date.now()) * 1_000_000n;
  await send(agent, 0, 10);
  await send(agent, 10, 20, () => ({ status: 503, termination_state: 'SC--' }));
  expect(await agent.end('SIGTERM')).toBe(0);
  const points = receiver.points(DURATION);
  expect(points).toHaveLength(2);
  for (const point of points) {
    expect(point).toMatchObject({
      type: 'histogram',
      unit: 's',
      temporality: 2,
      count: 10,
      bounds: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
      scope: 'haproxy-otel-spoa',
    });
    expect(point.resource['service.name']).toBe('edge');
    expect(counted(points)).toBe(20);
    expect(point.start >= before && point.time >= point.start).toBe(true);
    expect(point.exemplars.length).toBeGreaterThan(0);
  }
  const traces = Array.from({ length: 20 }, (_, i) => hopOf(i).slice(0, 49));
  for (const { traceId, spanId } of points.flatMap(({ exemplars }) => exemplars)) {
    expect(traces).toContain(`${traceId}-${spanId}`);
  }
  expect(receiver.points('otel.sdk.processor.span.queue.capacity')).toMatchObject([
    { type: 'sum', monotonic: false, count: 131_072, unit: '{span}' },
  ]);
  const exported = 'otel.sdk.exporter.span.exported';
  expect(receiver.points(exported).map(({ attributes }) => attributes)).toEqual([
    {
      'otel.component.name': 'otlp_grpc_span_exporter/0',
      'otel.component.type': 'otlp_grpc_span_exporter',
    },
    {
      'otel.component.name': 'otlp_grpc_span_exporter/0',
      'otel.component.type': 'otlp_grpc_span_exporter',
      'error.type': 'rejected',
    },
  ]);
});

test('cumulative series go on from one collection to the next, with one start', async () => {
  const receiver = await receive();
  const agent = await start(receiver, { OTEL_METRIC_EXPORT_INTERVAL: SOON });
  for (const total of [5, 10]) {
    await send(agent, total - 5, total);
    await until(`${total} hops`, () => receiver.points(DURATION).at(-1)?.count === total);
  }
  const points = receiver.points(DURATION);
  expect(new Set(points.map(({ start }) => start)).size).toBe(1);
  const counts = points.map(({ count }) => count);
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
});

test('deltas add up, and each starts where the collection before ended, new series too', async () => {
  const receiver = await receive();
  const agent = await start(receiver, {
    OTEL_METRIC_EXPORT_INTERVAL: SOON,
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: 'base2_exponential_bucket_histogram',
  });
  const capacity = () => receiver.points('otel.sdk.processor.span.queue.capacity');
  await until('two collections', () => capacity().length > 1);
  await send(agent, 0, 5);
  await until('the hops', () => counted(receiver.points(DURATION)) === 5);
  await send(agent, 5, 12, (i) => ({ status: i < 8 ? 200 : 404 }));
  await until('the other hops', () => counted(receiver.points(DURATION)) === 12);
  expect(await agent.end('SIGTERM')).toBe(0);
  const points = receiver.points(DURATION);
  expect(counted(points)).toBe(12);
  const times = new Set(capacity().map(({ time }) => time));
  for (const { start, time, type, temporality, scale, offset, counts, count } of points) {
    expect([type, temporality]).toEqual(['exponentialHistogram', 1]);
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(count);
    // 45 ms, in the bucket that it falls into.
    const lower = 2 ** (offset * 2 ** -scale);
    expect(lower).toBeGreaterThan(0.04);
    expect(lower).toBeLessThan(0.05);
    expect(times.has(time) && times.has(start)).toBe(true);
  }
  // What is so now is no delta.
  expect(capacity().at(-1)).toMatchObject({ temporality: 2, count: 131_072 });
});

test('over HTTP, in requests of bounded size', async () => {
  const http = await receiveHttp();
  const agent = await startExporting(`http://127.0.0.1:${http.port}`, {
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_TRACES_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_METRIC_EXPORT_INTERVAL: NEVER,
    HAPROXY_OTEL_BATCH_BYTES: '4096',
  });
  await send(agent, 0, 200, (i) => ({ backend: `app${i % 40}` }));
  expect(await agent.end('SIGTERM')).toBe(0);
  expect(http.requests.length).toBeGreaterThan(4);
  expect(new Set(http.requests.map(({ url }) => url))).toEqual(new Set(['/v1/metrics']));
  for (const { body } of http.requests) expect(body.length).toBeLessThan(4096 + 1024);
  const points = http.requests.flatMap(({ body }) => pointsIn(body));
  const durations = points.filter(({ name }) => name === DURATION);
  expect([durations.length, counted(durations)]).toEqual([40, 200]);
});

test('metrics that cannot be exported in time are reported', async () => {
  const agent = await startExporting(`http://127.0.0.1:${await freePort()}`, {
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_TRACES_EXPORTER: 'none',
    HAPROXY_OTEL_STOP_TIMEOUT: '3000',
  });
  await send(agent, 0, 1);
  expect(await agent.end('SIGTERM')).toBe(0);
  const { data_points: lost } = agent.logged('metrics could not be exported in time') ?? {};
  expect(lost).toBeGreaterThan(5);
});

test('SIGHUP: another receiver, interval and filter; what needs a restart is named', async () => {
  const [first, second] = [await receive(), await receive()];
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-metrics-'));
  afterwards(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'settings.env');
  const write = (receiver: MetricReceiver, lines: readonly string[]): void =>
    writeFileSync(
      file,
      [
        'OTEL_METRICS_EXPORTER=otlp',
        `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=${receiver.endpoint}`,
        ...lines,
        '',
      ].join('\n'),
    );
  write(first, [`OTEL_METRIC_EXPORT_INTERVAL=${NEVER}`]);
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_CONFIG: file,
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    OTEL_TRACES_EXPORTER: 'none',
  });
  afterwards(() => agent.end('SIGKILL'));
  await send(agent, 0, 5);
  write(second, [
    `OTEL_METRIC_EXPORT_INTERVAL=${SOON}`,
    'OTEL_METRICS_EXEMPLAR_FILTER=always_off',
    'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta',
  ]);
  agent.process.kill('SIGHUP');
  const needRestart = await until('the reload', () =>
    agent.logged('changed settings that are in force after a restart'),
  );
  expect(needRestart.settings).toEqual(['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE']);
  const reloaded = await until('the reload to be logged', () => agent.logged('reloaded'));
  expect(reloaded.changed).toEqual([
    'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
    'OTEL_METRICS_EXEMPLAR_FILTER',
    'OTEL_METRIC_EXPORT_INTERVAL',
  ]);
  await send(agent, 5, 10, () => ({ status: 404 }));
  const points = await until('all hops', () => {
    const last = second.exports.at(-1)?.filter(({ name }) => name === DURATION) ?? [];
    return counted(last) === 10 && last;
  });
  expect(first.exports).toEqual([]);
  const since = points.filter(({ attributes }) => attributes['http.response.status_code'] === 404);
  expect(since.map(({ exemplars }) => exemplars)).toEqual([[]]);
});
