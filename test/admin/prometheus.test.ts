import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { freePort } from '../../src/demo/ports.ts';
import { until } from '../agent-process.ts';
import { Chain } from '../end-to-end/chain.ts';
import { patientEngine } from '../end-to-end/patient-engine.ts';
import { adminOf, requestAdmin } from './admin-request.ts';

const BIN = join(PACKAGE_ROOT, '.cache/prometheus/usr/bin');
const RULES = join(PACKAGE_ROOT, 'haproxy/otel-alerts.yml');
const DASHBOARD = join(PACKAGE_ROOT, 'haproxy/otel-dashboard.json');
const OPENMETRICS = 'application/openmetrics-text; version=1.0.0';

const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-prometheus-'));

let chain: Chain;
let text: string;

beforeAll(async () => {
  chain = await Chain.start({
    agentEnv: { HAPROXY_OTEL_ADMIN: '127.0.0.1:0' },
    add: { engine: patientEngine(folder) },
  });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await chain.get('/a', { headers: { traceparent } });
  await chain.get('/a', { headers: { traceparent: `${traceparent.slice(0, -2)}00` } });
  await chain.get('/a', { headers: { traceparent: 'nonsense' } });
  await chain.get('/error');
  const { traceId } = await chain.get('/nowhere');
  await chain.hop(traceId, false);
  text = await until('all records', async () => {
    const { body } = await requestAdmin(chain.agent, '/metrics');
    // Most of the mint thread's counts are made visible a few times a second.
    const continued = value(body, 'haproxy_otel_contexts_total{result="continued"}');
    const exported = value(body, 'haproxy_otel_spans_exported_total') ?? 0;
    const all = value(body, 'haproxy_otel_minted_unrecorded') === 0 && continued === 2;
    return all && exported > 0 && body;
  });
});
afterAll(async () => {
  await chain?.stop();
  rmSync(folder, { recursive: true });
});

function value(body: string, series: string): number | undefined {
  const line = body.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Names of what is exported, those of a histogram's parts included. */
function namesIn(body: string): Set<string> {
  return new Set([...body.matchAll(/^([a-z_]+)[{ ]/gm)].map(([, name = '']) => name));
}

test("Prometheus' own checker accepts the metrics", () => {
  const checked = execFileSync(join(BIN, 'promtool'), ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  expect(checked).toBe('');
});

test('what happened is counted', () => {
  for (const [series, expected] of [
    ['haproxy_otel_contexts_total{result="continued"}', 2],
    ['haproxy_otel_contexts_total{result="invalid"}', 1],
    ['haproxy_otel_sampling_decisions_total{decision="dropped"}', 1],
    ['haproxy_otel_records_total{outcome="no_server",fault="server"}', 1],
    ['haproxy_otel_records_total{outcome="server_5xx",fault="server"}', 1],
    ['haproxy_otel_records_total{outcome="unsampled",fault="unknown"}', 1],
    ['haproxy_otel_exporter_up', 1],
    ['haproxy_otel_spans_dropped_total{reason="queue_full"}', 0],
  ] as const) {
    expect([series, value(text, series)]).toEqual([series, expected]);
  }
  for (const series of [
    'haproxy_otel_spop_connections',
    'haproxy_otel_mint_duration_seconds_sum',
    'haproxy_otel_agent_wait_seconds_count',
    'haproxy_otel_spans_exported_total',
    'haproxy_otel_export_duration_seconds_count',
    'haproxy_otel_event_loop_delay_seconds{thread="mint",stat="p99"}',
    'haproxy_otel_heap_used_bytes{thread="telemetry"}',
    'process_resident_memory_bytes',
  ]) {
    expect([series, (value(text, series) ?? -1) > 0 || series.includes('delay')]).toEqual([
      series,
      true,
    ]);
  }
});

test('OpenMetrics for whoever asks for it, Prometheus text otherwise', async () => {
  const open = await requestAdmin(chain.agent, '/metrics', { headers: { accept: OPENMETRICS } });
  expect(open.headers['content-type']).toContain('application/openmetrics-text');
  expect(open.body).toMatch(/# EOF\n$/);
  expect(open.body).toMatch(/^# TYPE haproxy_otel_notifies counter$/m);
  expect(namesIn(open.body)).toEqual(namesIn(text));
  const plain = await requestAdmin(chain.agent, '/metrics', { headers: { accept: 'text/plain' } });
  expect(plain.headers['content-type']).toContain('text/plain');
});

test('the alert rules fire when they should', () => {
  const rules = join(import.meta.dirname, 'alerts.yml');
  const tested = execFileSync(join(BIN, 'promtool'), ['test', 'rules', rules], {
    encoding: 'utf8',
  });
  expect(tested).toContain('SUCCESS');
});

/** The queries of the shipped files, as the names in them are metrics of the agent. */
function queries(): string[] {
  const dashboard = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {
    panels: { targets: { expr: string }[] }[];
  };
  const shown = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const alerts = [...readFileSync(RULES, 'utf8').matchAll(/expr: (.*)/g)].map(
    ([, expr = '']) => expr,
  );
  return [...shown, ...alerts].map((expr) =>
    expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
  );
}

test('the dashboard and the rules ask only for metrics that there are', () => {
  const known = namesIn(text);
  const asked = queries().flatMap(
    (query) => query.match(/\b(haproxy_otel|process)_[a-z_]+/g) ?? [],
  );
  expect(asked.length).toBeGreaterThan(20);
  expect(asked.filter((name) => !known.has(name))).toEqual([]);
});

type QueryAnswer = {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: { value: [number, string] }[] };
};

test('a real Prometheus scrapes the agent and answers every query of the dashboard', async () => {
  const admin = adminOf(chain.agent);
  const port = await freePort();
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [RULES],
    scrape_configs: [
      {
        job_name: 'haproxy-otel-spoa',
        static_configs: [{ targets: [`127.0.0.1:${'port' in admin ? admin.port : 0}`] }],
      },
    ],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const prometheus: ChildProcess = spawn(
    join(BIN, 'prometheus'),
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${folder}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const query = async (expr: string): Promise<{ value: [number, string] }[] | undefined> => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expr)}`;
    const response = await fetch(url).catch(() => undefined);
    if (response === undefined || response.status === 503) return undefined;
    const { status, data, error } = (await response.json()) as QueryAnswer;
    if (status !== 'success') throw new Error(`${expr}: ${error}`);
    return data.result;
  };
  try {
    // One scrape that takes longer than a second leaves a gap.
    await until('two scrapes, and what they are of', async () => {
      const [scraped] = (await query('sum_over_time(up[1m]) > 1')) ?? [];
      const [continued] = (await query('haproxy_otel_contexts_total{result="continued"}')) ?? [];
      return scraped !== undefined && continued?.value[1] === '2';
    });
    for (const expr of queries()) expect(await query(expr)).toBeDefined();
  } finally {
    const exited = once(prometheus, 'exit');
    prometheus.kill('SIGTERM');
    await exited;
  }
});
