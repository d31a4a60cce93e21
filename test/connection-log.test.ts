import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConnectionLog } from '../src/connection-log.ts';
import type { Logger } from '../src/log.ts';
import type { ConnectionEnd } from '../src/spop/connection.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const AGREEMENT = {
  engineId: undefined,
  maxFrameSize: 16_380,
  pipelining: true,
  healthcheck: false,
};
const BROKEN: ConnectionEnd = { reason: 'protocol', status: 3, message: 'no frame' };

/** A log that records level, message and fields of what an operator sees. */
function start(): { log: ConnectionLog; told: unknown[] } {
  const told: unknown[] = [];
  const line =
    (level: string) =>
    (fields: Record<string, unknown>, message: string): void =>
      void told.push([level, message, fields]);
  const logger = { debug: () => {}, info: line('info'), warn: line('warn') };
  return { log: new ConnectionLog(logger as unknown as Logger), told };
}

test('trouble is logged at once, and as a number a minute later', () => {
  const { log, told } = start();
  for (let i = 0; i < 5; i += 1) log.end(`peer ${i}`, BROKEN, undefined);
  const message = 'SPOP peer disconnected: it broke the protocol';
  expect(told).toEqual([['warn', message, { peer: 'peer 0', status: 3, reason: 'no frame' }]]);
  vi.advanceTimersByTime(60_000);
  expect(told.slice(1)).toEqual([['warn', `${message}, within a minute`, { connections: 5 }]]);
  log.end('peer 6', BROKEN, undefined);
  expect(told).toHaveLength(3);
  vi.advanceTimersByTime(60_000);
  expect(told).toHaveLength(3);
});

test('where there are too many connections the setting is named, and no peer blamed', () => {
  const { log, told } = start();
  const end = {
    reason: 'protocol',
    status: 13,
    message: '2 connections are open already',
  } as const;
  log.end('peer', end, undefined);
  const fields = { peer: 'peer', status: 13, reason: end.message };
  const message = 'SPOP peer disconnected: HAPROXY_OTEL_MAX_CONNECTIONS is too few';
  expect(told).toEqual([['warn', message, fields]]);
});

test('an idle timeout of HAProxy is no trouble; one while it waits for answers is', () => {
  const { log, told } = start();
  const timeout = { reason: 'disconnected', status: 2, message: 'a timeout occurred' } as const;
  log.end('idle', { ...timeout, idle: 120_000 }, undefined);
  log.end('idle but faulty', { ...timeout, status: 4, idle: 120_000 }, undefined);
  vi.advanceTimersByTime(60_000);
  log.end('hanging', { ...timeout, idle: 0 }, undefined);
  const warnings = [
    { peer: 'idle but faulty', status: 4, reason: 'a timeout occurred' },
    { peer: 'hanging', status: 2, reason: 'a timeout occurred' },
  ];
  expect(told).toEqual(warnings.map((fields) => ['warn', 'HAProxy disconnected', fields]));
});

test('HAProxy is connected from its first connection until minutes after its last', () => {
  const { log, told } = start();
  const closed: ConnectionEnd = { reason: 'closed' };
  log.hello('check', { ...AGREEMENT, healthcheck: true });
  log.end('check', { reason: 'healthcheck' }, { ...AGREEMENT, healthcheck: true });
  expect(told).toEqual([]);
  log.hello('a', AGREEMENT);
  log.hello('b', AGREEMENT);
  log.end('a', closed, AGREEMENT);
  vi.advanceTimersByTime(1_000_000);
  log.end('b', closed, AGREEMENT);
  // Idle connections are closed, and opened again.
  vi.advanceTimersByTime(200_000);
  log.hello('c', AGREEMENT);
  log.end('c', closed, AGREEMENT);
  expect(told).toEqual([['info', 'HAProxy is connected', { peer: 'a' }]]);
  vi.advanceTimersByTime(300_000);
  log.hello('d', AGREEMENT);
  expect(told.slice(1)).toEqual([
    ['info', 'HAProxy has had no connection for minutes', { connections: 3 }],
    ['info', 'HAProxy is connected', { peer: 'd' }],
  ]);
});
