import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { OtlpSpanKind } from '../../src/demo/otlp-receiver.ts';
import { freePort } from '../../src/demo/ports.ts';
import { adminOf, requestAdmin } from '../admin/admin-request.ts';
import { until } from '../agent-process.ts';
import { MetricReceiver, type ReceivedPoint } from '../telemetry/metrics/metric-receiver.ts';
import { Chain, get } from './chain.ts';
import { formerWorkers, reload, startedWorkers } from './workers.ts';

/**
 * Metrics of a real HAProxy as receivers and a Prometheus get them, against what its clients counted. A frontend of
 * their own has the requests that are counted: the chain sends others before it starts.
 */
const BIN = join(PACKAGE_ROOT, '.cache/prometheus/usr/bin');
const OPENMETRICS = 'application/openmetrics-text; version=1.0.0';
const SERVER = 'http.server.request.duration';
const FRONTEND = 'haproxy.frontend.name';

const SAMPLED = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const SAMPLED_TRACE = SAMPLED.slice(3, 35);

/** As many of each, by what becomes of them. */
const PATHS = {
  '/': 12,
  '/missing': 4,
  '/error': 3,
  '/nowhere': 2,
  '/forbidden': 2,
  '/refused': 1,
};

let chain: Chain;
let receiver: MetricReceiver;
let port: number;
/** The clients' own count of answers. */
const answers = new Map<number, number>();

beforeAll(async () => {
  receiver = await MetricReceiver.start();
  port = await freePort();
  chain = await Chain.start({
    masterWorker: true,
    agentEnv: {
      HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.01',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: receiver.endpoint,
      OTEL_METRIC_EXPORT_INTERVAL: '200',
    },
    editConfig: (config) => {
      const [www = ''] = /^frontend www .*\n(?:[ \t].*\n|\n)*/m.exec(config) ?? [];
      const counted = www
        .replace('frontend www', 'frontend counted')
        .replace(/( *bind .*\n)+/, `    bind 127.0.0.1:${port}\n`);
      return `${config}\n${counted}`;
    },
  });
});
afterAll(async () => {
  await chain?.stop();
  receiver?.stop();
});

async function request(path: string, headers = {}): Promise<void> {
  const { status } = await get(port, path, { headers });
  answers.set(status, (answers.get(status) ?? 0) + 1);
}

async function requestAll(): Promise<void> {
  const paths = Object.entries(PATHS).flatMap(([path, times]) => Array<string>(times).fill(path));
  await Promise.all(paths.map((path) => request(path)));
}

const total = (): number => [...answers.values()].reduce((sum, count) => sum + count, 0);

/** The last points of each series and start: what adds up to everything that was ever measured. */
function lastPoints(name: string, frontend = 'counted'): ReceivedPoint[] {
  const last = new Map<string, ReceivedPoint>();
  for (const point of receiver.points(name)) {
    if ((point.attributes[FRONTEND] ?? frontend) !== frontend) continue;
    last.set(`${point.start} ${JSON.stringify(point.attributes)}`, point);
  }
  return [...last.values()];
}

function byAttribute(points: readonly ReceivedPoint[], attribute: string): Map<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const { attributes, count } of points) {
    const key = attributes[attribute];
    counts.set(key, (counts.get(key) ?? 0) + count);
  }
  return counts;
}

const counted = (points: readonly ReceivedPoint[]): number =>
  points.reduce((sum, { count }) => sum + count, 0);

async function allCounted(): Promise<void> {
  await until(`${total()} requests`, () => counted(lastPoints(SERVER)) >= total());
}

test('counts by status are those of the clients, at 1 % of the traces, through restarts of agent and HAProxy', async () => {
  await request('/', { traceparent: SAMPLED });
  await requestAll();
  await allCounted();
  // The agent goes, while it is away HAProxy goes on, and one that knows nothing of before comes.
  await chain.stopAgent();
  expect(await chain.agent.exited()).toBe(0);
  await requestAll();
  await chain.restartAgent();
  await allCounted();
  await requestAll();
  await allCounted();
  reload(chain.haproxy);
  await until('the new worker', () => startedWorkers(chain.haproxy) > 1);
  // What waits in a ring when its process stops is lost: that is another test's matter.
  await until('the old worker to end', () => formerWorkers(chain.haproxy).length > 0);
  await requestAll();
  await allCounted();

  const points = lastPoints(SERVER);
  const statuses = byAttribute(points, 'http.response.status_code');
  expect(new Map([...statuses].toSorted())).toEqual(new Map([...answers].toSorted()));
  expect([...answers.keys()].toSorted()).toEqual([200, 403, 404, 500, 503]);
  // Two agents, two starts, and no other.
  const starts = byAttribute(points, 'http.request.method');
  expect([...starts]).toEqual([['GET', total()]]);
  const times = points.map(({ start }) => start).toSorted((a, b) => Number(a - b));
  for (const point of points) expect(point.time > point.start).toBe(true);
  expect(new Set(times).size).toBeGreaterThan(1);
  // Of all these requests there are hardly any spans, but for those that HAProxy started itself.
  const spans = chain
    .haproxySpans()
    .filter(
      ({ kind, attributes }) =>
        kind === OtlpSpanKind.SERVER &&
        attributes[FRONTEND] === 'counted' &&
        attributes['haproxy.agent_away'] !== true,
    );
  expect(spans.length).toBeLessThan(total() / 4);
});

test('how hops ended, whose fault it was, and what became of retries', () => {
  const hops = byAttribute(lastPoints('haproxy.hops'), 'error.type');
  expect(Object.fromEntries(hops)).toEqual({
    undefined: (PATHS['/'] + PATHS['/missing'] + PATHS['/forbidden'] + PATHS['/refused']) * 4 + 1,
    500: PATHS['/error'] * 4,
    no_server: PATHS['/nowhere'] * 4,
  });
  const faults = byAttribute(lastPoints('haproxy.hops'), 'haproxy.fault');
  expect(faults.get('server')).toBe((PATHS['/error'] + PATHS['/nowhere']) * 4);
  const redispatched = lastPoints('haproxy.redispatches').filter(
    ({ attributes }) => attributes['haproxy.backend.name'] === 'refused',
  );
  expect(counted(redispatched)).toBe(PATHS['/refused'] * 4);
  expect(counted(lastPoints('haproxy.retries'))).toBeGreaterThanOrEqual(PATHS['/refused'] * 4);
});

test('an exemplar names the span that was measured', async () => {
  const { server } = await chain.hop(SAMPLED_TRACE);
  const exemplars = (name: string) => receiver.points(name).flatMap((point) => point.exemplars);
  const exemplar = exemplars(SERVER).find(({ traceId }) => traceId === SAMPLED_TRACE);
  expect(exemplar?.spanId).toBe(server.spanId);
  expect(exemplar?.time).toBe(server.end);
  expect(exemplar?.value).toBeCloseTo(Number(server.end - server.start) / 1e9, 6);
  // Servers are those of other frontends, too: there another hop may have been the first.
  const ofServers = exemplars('http.client.request.duration');
  expect(ofServers).not.toEqual([]);
  for (const { traceId, spanId } of ofServers) {
    expect(spanId).toBe((await chain.hop(traceId)).client?.spanId);
  }
});

test('connections of a frontend in TCP mode', async () => {
  for (let i = 0; i < 3; i += 1) {
    const socket = connect(chain.ports.tcp, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
  }
  await until('the connections', () => {
    const connections = lastPoints('haproxy.connection.duration', 'tcp');
    return counted(connections) >= 3;
  });
  const [point] = lastPoints('haproxy.connection.duration', 'tcp');
  expect(point?.attributes).toMatchObject({ [FRONTEND]: 'tcp', 'haproxy.backend.name': 'tcp-app' });
  const bytes = byAttribute(lastPoints('haproxy.connection.io', 'tcp'), 'network.io.direction');
  expect(bytes.get('transmit')).toBeGreaterThan(3 * 100);
});

type Sums = { result: { metric: Record<string, string>; value: [0, string] }[] };
type Exemplars = {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly exemplars: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: string;
  }[];
}[];

test('a real Prometheus scrapes the page, and has the exemplars', async () => {
  const traceparent = SAMPLED.replaceAll('0af7651916cd43dd', 'feedfeedfeedfeed');
  const page = async () =>
    (await requestAdmin(chain.agent, '/metrics', { headers: { accept: OPENMETRICS } })).body;
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-prometheus-'));
  const admin = adminOf(chain.agent);
  const api = await freePort();
  const targets = [`127.0.0.1:${'port' in admin ? admin.port : 0}`];
  const config = {
    global: { scrape_interval: '2s', scrape_timeout: '2s' },
    scrape_configs: [{ job_name: 'haproxy-otel-spoa', static_configs: [{ targets }] }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const prometheus: ChildProcess = spawn(
    join(BIN, 'prometheus'),
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${folder}`,
      `--web.listen-address=127.0.0.1:${api}`,
      '--enable-feature=exemplar-storage',
    ],
    { stdio: 'ignore' },
  );
  const exited = once(prometheus, 'exit');
  const query = async <T>(path: string, parameters: Record<string, string>): Promise<T> => {
    const url = `http://127.0.0.1:${api}/api/v1/${path}?${new URLSearchParams(parameters)}`;
    const response = await fetch(url).catch(() => undefined);
    return ((await response?.json().catch(() => undefined)) as { data: T } | undefined)?.data as T;
  };
  try {
    // Not in the second after another one in the same bucket.
    await until('the exemplar on the page', async () => {
      await request('/', { traceparent });
      return /^http_server_request_duration_seconds_bucket\{.*counted.* # .*feedfeed/m.test(
        await page(),
      );
    });
    const { traceId, spanId, value } = await until('the exemplar', async () => {
      const now = Date.now() / 1000;
      const found = await query<Exemplars | undefined>('query_exemplars', {
        query: 'http_server_request_duration_seconds_bucket{haproxy_frontend_name="counted"}',
        start: String(now - 600),
        end: String(now + 600),
      });
      const all = (found ?? []).flatMap(({ exemplars }) => exemplars);
      const one = all.find(({ labels }) => labels.trace_id?.startsWith('feedfeed'));
      return one && { traceId: one.labels.trace_id, spanId: one.labels.span_id, value: one.value };
    });
    // One of several of this trace.
    const server = await until('the span of the exemplar', () =>
      chain.haproxySpans().find((span) => span.traceId === traceId && span.spanId === spanId),
    );
    expect(Number(value)).toBeCloseTo(Number(server.end - server.start) / 1e9, 6);
    // What the agent that runs has measured: two rounds, and the last requests, once they are scraped.
    const shown = await until('the numbers of the page by the API', async () => {
      const own = (await page()).matchAll(
        /^http_server_request_duration_seconds_count\{.*http_response_status_code="(\d+)".*haproxy_frontend_name="counted".*\} (\d+)$/gm,
      );
      const byStatus = new Map<number, number>();
      for (const [, status, count] of own) {
        byStatus.set(Number(status), (byStatus.get(Number(status)) ?? 0) + Number(count));
      }
      const sums = await query<Sums | undefined>('query', {
        query:
          'sum by (http_response_status_code) (http_server_request_duration_seconds_count{haproxy_frontend_name="counted"})',
      });
      const scraped = (sums?.result ?? []).map(({ metric, value }): [number, number] => [
        Number(metric.http_response_status_code),
        Number(value[1]),
      ]);
      return isDeepStrictEqual(new Map(scraped), byStatus) && byStatus;
    });
    expect(shown.get(404)).toBe(PATHS['/missing'] * 3);
    const panels = readFileSync(join(PACKAGE_ROOT, 'haproxy/otel-dashboard.json'), 'utf8');
    const asked =
      panels.match(/\b(http|haproxy(?!_otel))_[a-z_]+_(bucket|sum|count|total)\b/g) ?? [];
    expect(asked.length).toBeGreaterThan(12);
    for (const name of asked) expect(await page()).toMatch(new RegExp(`^${name}\\{`, 'm'));
    // Its own checker, which reads only the older format, accepts it too.
    const { body: input } = await requestAdmin(chain.agent, '/metrics');
    const promtool = join(BIN, 'promtool');
    expect(execFileSync(promtool, ['check', 'metrics'], { input, encoding: 'utf8' })).toBe('');
    // Of all hops, not of the sampled ones alone.
    expect(await page()).toMatch(/^haproxy_otel_records_total\{outcome="no_server",.* [1-9]/m);
    expect(await page()).not.toContain('outcome="unsampled"');
  } finally {
    prometheus.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true });
  }
});

test('a hostile client makes no series', async () => {
  const before = lastPoints(SERVER).length;
  const methods = Array.from({ length: 60 }, (_, i) => `ANY${i}`);
  await Promise.all(
    methods.map(async (method, i) => {
      const headers = { host: `h${i}.example` };
      const { status } = await get(port, `/${i}?${i}`, { method, headers });
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }),
  );
  await until(
    'the requests',
    () => byAttribute(lastPoints(SERVER), 'http.request.method').get('_OTHER') === 60,
  );
  expect(lastPoints(SERVER).length - before).toBe(1);
});
