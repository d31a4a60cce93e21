import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { parseFilter } from '../../src/admin/filter.ts';
import { viewHops } from '../../src/admin/live-view.ts';
import { HopObserver } from '../../src/admin/observer.ts';
import { viewHop } from '../../src/admin/page-hop.ts';
import { slotAt } from '../../src/admin/series.ts';
import { parseHop } from '../../src/context/hop-view.ts';
import { RecordParser } from '../../src/records/record-parser.ts';
import { FIELDS, hopOf, recordLine } from '../records/lines.ts';

const parser = new RecordParser();
const NOW = FIELDS.end / 1000;
const ALL = parseFilter(new URLSearchParams()) ?? expect.unreachable();

function keep(index: number, changes: Readonly<Record<string, unknown>> = {}) {
  const text = Buffer.from(recordLine(hopOf(index), changes));
  const record = parser.parse(text, 0, text.length) ?? expect.unreachable();
  const hop = record.hop ?? parseHop(hopOf(index)) ?? expect.unreachable();
  return { record, hop };
}

function observe(observer: HopObserver, index: number, changes = {}): void {
  const { record, hop } = keep(index, changes);
  observer.observe(record, hop);
}

const FAILED = { status: 504, termination_state: 'sH--', Tr: -1, Td: -1 };

test('failed hops first, then the slowest, then the latest, and none of them twice', () => {
  const observer = new HopObserver();
  for (let i = 0; i < 100; i += 1) observe(observer, i);
  observe(observer, 100, {
    received: FIELDS.received - 900_000,
    accepted: FIELDS.accepted - 900,
    TR: 900,
  });
  observe(observer, 101, FAILED);
  const { errors, slow, latest } = viewHops(observer, ALL, NOW);
  expect(errors.map(({ traceId }) => traceId)).toEqual([hopOf(101).slice(0, 32)]);
  expect(slow[0]?.traceId).toBe(hopOf(100).slice(0, 32));
  expect(latest.length).toBe(40);
  const ids = [...errors, ...slow, ...latest].map(({ traceId }) => traceId);
  expect(new Set(ids).size).toBe(ids.length);
});

test('what failed stays when thousands came after it, clients that leave do not push it out', () => {
  const observer = new HopObserver();
  observe(observer, 0, FAILED);
  for (let i = 1; i < 5_000; i += 1)
    observe(observer, i, { status: -1, termination_state: 'CH--' });
  const { errors } = viewHops(observer, ALL, NOW);
  expect(errors.filter(({ fault }) => fault === 'server')).toHaveLength(1);
  expect(errors.filter(({ fault }) => fault === 'client')).toHaveLength(10);
});

test('of ordinary hops some are stored each second, all that failed, and the slowest', () => {
  const observer = new HopObserver();
  for (let i = 0; i < 1_000; i += 1) observe(observer, i);
  observe(observer, 1_000, FAILED);
  observe(observer, 1_001, {
    received: FIELDS.received - 900_000,
    accepted: FIELDS.accepted - 900,
    TR: 900,
  });
  observer.tick(Date.now());
  observe(observer, 1_002);
  const kept = [...observer.recent.newest()].map(({ hop }) => hop.traceId);
  expect(kept).toHaveLength(201);
  expect(kept[0]).toBe(hopOf(1_002).slice(0, 32));
  const { errors, slow } = viewHops(observer, ALL, NOW);
  expect(errors[0]?.traceId).toBe(hopOf(1_000).slice(0, 32));
  expect(slow[0]?.traceId).toBe(hopOf(1_001).slice(0, 32));
});

test('a watched trace is stored in a busy second, and for no longer than a minute', () => {
  const observer = new HopObserver();
  const now = Date.now();
  const idOf = (index: number): string => hopOf(index).slice(0, 32);
  for (let i = 0; i < 17; i += 1) observer.recent.watch(idOf(2_000 + i), now);
  for (let i = 0; i < 1_000; i += 1) observe(observer, i);
  const found = (index: number): number => {
    const filter = parseFilter(new URLSearchParams({ trace: idOf(index) }));
    const { errors, slow, latest } = viewHops(observer, filter ?? expect.unreachable(), NOW);
    return errors.length + slow.length + latest.length;
  };
  for (const index of [2_000, 2_001, 2_016, 2_100]) observe(observer, index);
  expect([2_000, 2_001, 2_016, 2_100].map(found)).toEqual([0, 1, 1, 0]);
  observer.tick(now + 60_000);
  for (let i = 0; i < 1_000; i += 1) observe(observer, i);
  observe(observer, 2_002);
  expect([2_001, 2_002].map(found)).toEqual([1, 0]);
});

test('a clock that is far ahead does not stop the charts', () => {
  const observer = new HopObserver();
  const now = Date.now();
  observe(observer, 1, { end: (now + 3_600_000) * 1000 });
  observe(observer, 2, { end: now * 1000 });
  observer.tick(now + 30_000);
  observe(observer, 3, { end: (now + 30_000) * 1000, received: now * 1000 });
  expect(observer.all.view(slotAt((now + 35_000) * 1000)).total.requests).toBe(3);
  const [slowest] = viewHops(observer, ALL, now + 30_000).slow;
  expect(slowest).toBeDefined();
});

describe('memory', () => {
  test('is bounded in hops, in their length and in names', () => {
    const observer = new HopObserver();
    const long = 'x'.repeat(5_000);
    const before = used();
    for (let i = 0; i < 6_000; i += 1) {
      if (i % 150 === 0) observer.tick(Date.now());
      observe(observer, i, {
        backend: `backend-${i % 3_000}`,
        server: `server-${i % 7_000}`,
        frontend: `frontend-${i % 2_000}`,
        target: `/${i}${long}?q=${long}`,
        user_agent: long,
        ...(i % 3 === 0 ? FAILED : {}),
      });
    }
    expect((used() - before) / 2 ** 20).toBeLessThan(24);
    expect(observer.frontends.length).toBeLessThanOrEqual(128);
    expect(observer.aliveBackends(slotAt(FIELDS.end)).length).toBeLessThanOrEqual(128);
    expect(viewHops(observer, ALL, NOW).latest[0]?.path?.length).toBeLessThan(600);
  });

  test('names that are no longer used make room for others', () => {
    const observer = new HopObserver();
    for (let i = 0; i < 200; i += 1) observe(observer, i, { backend: `old-${i}` });
    const later = FIELDS.end + 400e6;
    observe(observer, 1, { backend: 'new', end: later });
    const names = observer.aliveBackends(slotAt(later)).map(({ backend }) => backend);
    expect(names).toEqual(['new']);
  });
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that are still held. */
function used(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe('a hop as it is shown', () => {
  test('its phases are those of HAProxy, the wait for the agent beside the request', () => {
    const view = viewHop(keep(1, { TR: 4, Tw: 3, Tc: 2, Tr: 40, Td: 5 }));
    expect(Object.fromEntries(view.phases.map(({ name, ms }) => [name, ms]))).toEqual({
      request: 3.7,
      agent: 0.3,
      queue: 3,
      connect: 2,
      response: 40,
      transfer: 5,
    });
    expect(view.unfinished).toBeUndefined();
  });

  test('a phase that did not end has what is left of the whole', () => {
    const { unfinished, duration, phases, cause, status } = viewHop(keep(1, FAILED));
    expect([cause, status]).toEqual(['server_timeout', 504]);
    const known = phases.reduce((sum, { ms }) => sum + ms, 0);
    expect(unfinished).toEqual({ name: 'response', ms: duration - known });
  });

  test('a denied request has no phase that did not end', () => {
    const denied = {
      status: 403,
      termination_state: 'PR--',
      Tw: -1,
      Tc: -1,
      Tr: -1,
      Td: -1,
      server: '<NOSRV>',
    };
    expect(viewHop(keep(1, denied))).toMatchObject({
      unfinished: undefined,
      fault: 'none',
      server: undefined,
    });
  });

  test('nothing is shown of what was not sent', () => {
    const left = viewHop(keep(1, { status: 503, termination_state: 'CC--', Tr: -1, Td: -1 }));
    expect([left.status, left.fault]).toEqual([undefined, 'client']);
  });
});

test('what is copied of a view stays when the next line is read', () => {
  const observer = new HopObserver();
  const chunk = Buffer.from([0, 1].map((index) => recordLine(hopOf(index))).join(''));
  for (const index of [0, 1]) {
    const start = (chunk.length / 2) * index;
    const record = parser.view(chunk, start, start + chunk.length / 2) ?? expect.unreachable();
    observer.observe(record, record.hop ?? expect.unreachable());
  }
  chunk.fill(0);
  const { latest, slow } = viewHops(observer, ALL, NOW);
  const traces = [...latest, ...slow].map(({ traceId }) => traceId);
  expect(new Set(traces)).toEqual(new Set([0, 1].map((index) => hopOf(index).slice(0, 32))));
});
