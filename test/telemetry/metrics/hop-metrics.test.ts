import { expect, test } from 'vitest';
import { outcomeCounts } from '../../../src/admin/hop-families.ts';
import { RecordParser } from '../../../src/records/record-parser.ts';
import type { ExemplarFilter } from '../../../src/telemetry/config.ts';
import { HopMetrics } from '../../../src/telemetry/metrics/hop-metrics.ts';
import type { HistogramPoint, Metric, Point } from '../../../src/telemetry/metrics/points.ts';
import { CARDINALITY_LIMIT } from '../../../src/telemetry/metrics/series-set.ts';
import { type Changes, FIELDS, hopOf, recordLine } from '../../records/lines.ts';

/** Metrics, fed with lines. */
class Fed {
  readonly overflows: string[] = [];
  readonly metrics: HopMetrics;
  /** Microseconds since the epoch. */
  time = 1_000_000;
  private readonly parser = new RecordParser();

  constructor(exemplarFilter: ExemplarFilter = 'trace_based') {
    this.metrics = new HopMetrics({
      temporality: 'cumulative',
      exponential: false,
      exemplarFilter,
      now: () => this.time,
      onOverflow: ({ name }) => this.overflows.push(name),
    });
  }

  line(changes: Changes = {}, exported = false, hop = hopOf(1)): void {
    const line = Buffer.from(recordLine(hop, changes));
    const record = this.parser.parse(line, 0, line.length);
    if (record === undefined) throw new Error('no record');
    this.metrics.observe(record, record.hop, exported);
  }

  get collected(): Metric[] {
    return this.metrics.series.collect(2_000_000);
  }

  points(name: string): readonly Point[] {
    return this.collected.find(({ instrument }) => instrument.name === name)?.points ?? [];
  }

  histogram(name: string): HistogramPoint {
    const [point] = this.points(name);
    if (point?.kind !== 'histogram') throw new Error(`no histogram ${name}`);
    return point;
  }

  attributes(name: string): readonly Point['attributes'][] {
    return this.points(name).map(({ attributes }) => attributes);
  }
}

const SERVER = 'http.server.request.duration';
const CLIENT = 'http.client.request.duration';

test('a request is measured as client and server see it, with what the conventions name', () => {
  const fed = new Fed();
  fed.line({ route: '/orders/{id}', Tw: 3 });
  const point = fed.histogram(SERVER);
  expect(point.attributes).toEqual({
    'http.request.method': 'GET',
    'url.scheme': 'http',
    'http.response.status_code': 200,
    'http.route': '/orders/{id}',
    'network.protocol.version': '1.1',
    'haproxy.frontend.name': 'www',
    'haproxy.backend.name': 'app',
  });
  expect(point.sum).toBeCloseTo((FIELDS.end - FIELDS.received) / 1e6, 9);
  expect(fed.histogram(CLIENT).attributes).toEqual({
    'http.request.method': 'GET',
    'server.address': '10.0.0.9',
    'server.port': 8090,
    'http.response.status_code': 200,
    'haproxy.backend.name': 'app',
    'haproxy.server.name': 'app1',
  });
  const byServer = { 'haproxy.backend.name': 'app', 'haproxy.server.name': 'app1' };
  const phases = { queue: 0.003, connect: 0.001, response: 0.044 };
  for (const [phase, sum] of Object.entries(phases)) {
    const measured = fed.histogram(`haproxy.phase.${phase}.duration`);
    expect([phase, measured.attributes, measured.sum]).toEqual([phase, byServer, sum]);
  }
  const bySection = { 'haproxy.frontend.name': 'www', 'haproxy.backend.name': 'app' };
  expect(fed.histogram('haproxy.request.size')).toMatchObject({ attributes: bySection, sum: 97 });
  expect(fed.histogram('haproxy.response.size')).toMatchObject({ attributes: bySection, sum: 103 });
  expect(fed.points('haproxy.hops')).toMatchObject([{ attributes: bySection, value: 1 }]);
  // Nothing was retried: there is no series of it.
  expect(fed.points('haproxy.retries')).toEqual([]);
});

test.each([
  [
    'no server in the backend',
    { status: 503, termination_state: 'SC--', server: '<NOSRV>', Tw: -1, Tc: -1, Tr: -1 },
    { status: 503, errorType: 'no_server', fault: 'server', tried: false },
  ],
  [
    'a server that answers 500',
    { status: 500 },
    { status: 500, errorType: '500', fault: 'server', tried: true },
  ],
  ['a 404', { status: 404 }, { status: 404, errorType: undefined, fault: undefined, tried: true }],
  [
    'a client that leaves before the answer',
    { status: 499, termination_state: 'CH--', Tr: -1, bytes_read: 0 },
    { status: undefined, errorType: 'client_abort', fault: 'client', tried: true },
  ],
  [
    'a request that is denied',
    {
      status: 403,
      termination_state: 'PR--',
      backend: 'www',
      server: '<NOSRV>',
      Tw: -1,
      Tc: -1,
      Tr: -1,
    },
    { status: 403, errorType: undefined, fault: undefined, tried: false },
  ],
] as const)('%s', (_name, changes, { status, errorType, fault, tried }) => {
  const fed = new Fed();
  fed.line(changes);
  const { attributes } = fed.histogram(SERVER);
  expect(attributes['http.response.status_code']).toBe(status);
  expect(attributes['error.type']).toBe(errorType);
  expect(Object.values(attributes)).not.toContain(undefined);
  const [end] = fed.attributes('haproxy.hops');
  expect([end?.['error.type'], end?.['haproxy.fault']]).toEqual([errorType, fault]);
  expect(fed.points(CLIENT)).toHaveLength(tried ? 1 : 0);
  // A timer of -1 is no time.
  for (const metric of fed.collected) {
    for (const point of metric.points) {
      if (point.kind === 'histogram')
        expect([metric, (point.min ?? 0) >= 0]).toEqual([metric, true]);
    }
  }
});

test('retries and redispatches by backend and server', () => {
  const fed = new Fed();
  fed.line({ retries: '+2', Tw: 702, Tc: 1 });
  fed.line({ retries: '1', Tw: 0, Tc: 30 });
  expect(fed.points('haproxy.retries')).toMatchObject([
    { attributes: { 'haproxy.backend.name': 'app', 'haproxy.server.name': 'app1' }, value: 3 },
  ]);
  expect(fed.points('haproxy.redispatches')).toMatchObject([{ value: 1 }]);
});

test('a request that the cache answered waited for no server', () => {
  const fed = new Fed();
  const timers = { Tw: 0, Tc: 0, Tr: 0 };
  fed.line({ ...timers, server: '<CACHE>', backend: 'www', termination_state: 'LR--' });
  expect(fed.histogram(SERVER).count).toBe(1);
  expect(fed.points(CLIENT)).toEqual([]);
  for (const phase of ['queue', 'connect', 'response']) {
    expect(fed.points(`haproxy.phase.${phase}.duration`)).toEqual([]);
  }
});

test('a connection of a frontend in TCP mode', () => {
  const fed = new Fed();
  fed.line({ kind: 'tcp', frontend: 'redis', backend: 'redis', termination_state: '--', Tw: 1 });
  fed.line({ kind: 'tcp', frontend: 'redis', backend: 'redis', termination_state: 'sD', Tw: 1 });
  const name = { 'haproxy.frontend.name': 'redis', 'haproxy.backend.name': 'redis' };
  const server = { 'haproxy.server.name': 'app1' };
  expect(fed.attributes('haproxy.connection.duration')).toEqual([
    { ...name, ...server },
    { 'error.type': 'server_timeout', ...name, ...server },
  ]);
  expect(fed.points('haproxy.connection.io')).toMatchObject([
    { attributes: { 'network.io.direction': 'receive', ...name }, value: 194 },
    { attributes: { 'network.io.direction': 'transmit', ...name }, value: 206 },
  ]);
  expect(fed.histogram('haproxy.phase.queue.duration')).toMatchObject({ count: 2, sum: 0.002 });
  expect(fed.points(SERVER)).toEqual([]);
  expect(fed.points(CLIENT)).toEqual([]);
});

test('exemplars are of hops of which there are spans, each with the span that was measured', () => {
  const fed = new Fed();
  fed.line({}, true, hopOf(7));
  fed.line({ end: FIELDS.end + 1 }, false, hopOf(8));
  const [traceId, spanId, , clientSpanId] = hopOf(7).split('-');
  const exemplar = { traceId, time: FIELDS.end };
  const [server] = fed.metrics.series.serverDuration.series;
  expect(server?.collect({ time: 1, before: undefined })?.exemplars).toEqual([
    { ...exemplar, spanId, value: expect.closeTo((FIELDS.end - FIELDS.received) / 1e6, 9) },
  ]);
  const [client] = fed.metrics.series.clientDuration.series;
  expect(client?.collect({ time: 1, before: undefined })?.exemplars).toMatchObject([
    { ...exemplar, spanId: clientSpanId },
  ]);
  // Each is exported once, and a bucket has another a second later, from a line that is not late.
  const later = (microseconds: number, index: number): void => {
    const received = FIELDS.received + microseconds;
    const times = { received, answered: received, end: FIELDS.end + microseconds };
    fed.line(times, true, hopOf(index));
  };
  later(999_999, 9);
  later(-1, 9);
  expect(client?.collect({ time: 2, before: undefined })?.exemplars).toEqual([]);
  later(1_000_000, 10);
  expect(client?.collect({ time: 3, before: undefined })?.exemplars).toMatchObject([
    { spanId: hopOf(10).split('-')[3] },
  ]);
  // A clock that is wrong is in nobody's way.
  later(3_600_000_000, 11);
  later(2_000_000, 12);
  expect(client?.collect({ time: 4, before: undefined })?.exemplars).toMatchObject([
    { spanId: hopOf(12).split('-')[3] },
  ]);
});

test.each([
  ['always_on', [false, true], 1],
  ['always_off', [true, true], 0],
  ['trace_based', [false, false], 0],
] as const)('exemplars that are %s', (filter, exported, expected) => {
  const fed = new Fed(filter);
  for (const each of exported) fed.line({}, each);
  expect(fed.histogram(SERVER).exemplars).toHaveLength(expected);
});

test('what only clients can have made up makes no series', () => {
  const fed = new Fed();
  fed.line();
  for (let i = 0; i < 2000; i += 1) {
    fed.line({ method: `M${i}`, host: `h${i}.example`, target: `/p${i}`, protocol: `7.${i}` });
  }
  expect(fed.attributes(SERVER)).toHaveLength(2);
  expect(fed.attributes(SERVER)[1]).toMatchObject({ 'http.request.method': '_OTHER' });
  expect(fed.overflows).toEqual([]);
});

test('a flood of what the configuration lets clients choose ends in one series, logged once; known series stay', () => {
  const fed = new Fed();
  const collectAt = () => {
    const points = fed.points(SERVER);
    return { points, sum: points.reduce((sum, point) => sum + count(point), 0) };
  };
  const count = (point: Point) => (point.kind === 'histogram' ? point.count : point.value);
  fed.line({ route: '/known' });
  for (let round = 0; round < 2; round += 1) {
    // A route out of the path, and a server out of the host.
    for (let i = 0; i < 2500; i += 1) {
      fed.line({ route: `/${round}/${i}`, server_address: `10.${round}.${i >> 8}.${i & 255}` });
    }
    const { points, sum } = collectAt();
    expect(points.length).toBeLessThanOrEqual(CARDINALITY_LIMIT);
    expect(sum).toBe(1 + 2500 * (round + 1));
  }
  fed.line({ route: '/known' });
  const { points } = collectAt();
  expect(points.find(({ attributes }) => attributes['http.route'] === '/known')).toMatchObject({
    count: 2,
  });
  expect(points.at(-1)?.attributes).toEqual({ 'otel.metric.overflow': true });
  expect(fed.overflows.sort()).toEqual([CLIENT, SERVER]);
  // Who floods one backend leaves room for others.
  fed.line({ backend: 'other', route: '/new' });
  expect(fed.attributes(SERVER)).toContainEqual(
    expect.objectContaining({ 'haproxy.backend.name': 'other', 'http.route': '/new' }),
  );
});

test('when there is no room, series of which nothing came for an hour make some', () => {
  const fed = new Fed();
  const HOUR = 3_600_000_000;
  const addresses = () => new Set(fed.attributes(CLIENT).map((each) => each['server.address']));
  const deploy = (generation: number) => {
    for (let i = 0; i < 1100; i += 1) {
      fed.line({ server_address: `10.${generation}.${i >> 8}.${i & 255}` });
    }
  };
  fed.line({ server_address: '10.9.9.9' });
  deploy(0);
  expect(fed.overflows).toEqual([CLIENT]);
  for (let step = 1; step <= 3; step += 1) {
    fed.time += HOUR;
    fed.line({ server_address: '10.9.9.9' });
    deploy(1);
  }
  expect(addresses()).toContain('10.1.0.0');
  expect(addresses()).not.toContain('10.0.0.0');
  // One that is in use stays, and goes on counting.
  const stays = fed
    .points(CLIENT)
    .find(({ attributes }) => attributes['server.address'] === '10.9.9.9');
  expect(stays).toMatchObject({ count: 4 });
  expect(fed.overflows).toEqual([CLIENT]);
});

test('how hops ended, by the names that the page has for it', () => {
  const fed = new Fed();
  for (const status of [200, 200, 404]) fed.line({ status });
  fed.line({ status: 500 });
  fed.line({ status: 502 });
  fed.line({ status: 504, termination_state: 'sH--', Tr: -1 });
  expect(outcomeCounts(fed.metrics.series)).toEqual([
    { outcome: 'ok', fault: 'none', count: 3 },
    { outcome: 'server_5xx', fault: 'server', count: 2 },
    { outcome: 'server_timeout', fault: 'server', count: 1 },
  ]);
});
