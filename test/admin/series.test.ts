import { expect, test } from 'vitest';
import { Series, SLOT_SECONDS, SLOTS, slotAt, stepOf } from '../../src/admin/series.ts';

const NOW = slotAt(1_795_000_000e6);

test('percentiles are a fifth off at most, from microseconds to minutes', () => {
  for (const scale of [0.1, 1, 30, 4_000]) {
    const series = new Series();
    for (let i = 1; i <= 1_000; i += 1) series.add(NOW, false, stepOf((i * scale) / 1_000));
    const { p50, p95, p99 } = series.view(NOW).total;
    for (const [told, truth] of [
      [p50, 0.5],
      [p95, 0.95],
      [p99, 0.99],
    ] as const) {
      expect(Math.abs(told / (truth * scale) - 1)).toBeLessThan(0.2);
    }
  }
});

test('slots go by, and what is older than all of them is forgotten', () => {
  const series = new Series();
  series.add(NOW - SLOTS, true, stepOf(1));
  series.add(NOW - SLOTS + 1, true, stepOf(1));
  series.add(NOW, false, stepOf(5));
  series.add(NOW, true, undefined);
  const { requests, errors, p50, total } = series.view(NOW);
  expect([requests.length, errors.length]).toEqual([SLOTS, SLOTS]);
  expect([requests[0], errors[0], requests.at(-1), errors.at(-1)]).toEqual([1, 1, 2, 1]);
  expect(p50.filter((value) => value !== null)).toHaveLength(2);
  expect(total).toMatchObject({ requests: 3, errors: 2 });
  expect(series.isAlive(NOW + SLOTS - 1)).toBe(true);
  expect(series.isAlive(NOW + SLOTS)).toBe(false);
  expect(series.view(NOW + SLOTS).total.requests).toBe(0);
});

test('a hop that comes late is counted where it belongs, or not at all', () => {
  const series = new Series();
  series.add(NOW, false, stepOf(1));
  series.add(NOW - 2, false, stepOf(1));
  // Its place holds a newer slot by now.
  series.add(NOW - SLOTS, false, stepOf(1));
  const { requests } = series.view(NOW);
  expect(requests.at(-1)).toBe(1);
  expect(requests.at(-3)).toBe(1);
  expect(requests.reduce((sum, value) => sum + value, 0)).toBe(2);
  expect(SLOTS * SLOT_SECONDS).toBe(300);
});
