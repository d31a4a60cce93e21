import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { throttle } from '../src/log-throttle.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('the first is logged at once, those of a minute as their count, and then the next first', () => {
  const lines: unknown[] = [];
  const log = throttle((what: string) => lines.push(what), {
    logCount: (count, first) => lines.push([count, first]),
  });
  for (const what of ['a', 'b', 'c']) log(what);
  expect(lines).toEqual(['a']);
  vi.advanceTimersByTime(60_000);
  expect(lines).toEqual(['a', [3, 'a']]);
  log('d');
  vi.advanceTimersByTime(60_000);
  expect(lines).toEqual(['a', [3, 'a'], 'd']);
});

test('kinds are counted apart, and nothing of them stays', () => {
  const lines: string[] = [];
  const log = throttle((kind: string) => lines.push(kind), {
    kindOf: (kind) => kind,
    interval: 1_000,
  });
  for (const kind of ['a', 'b', 'a', 'b']) log(kind);
  expect(lines).toEqual(['a', 'b']);
  vi.advanceTimersByTime(1_000);
  expect(vi.getTimerCount()).toBe(0);
  log('b');
  expect(lines).toEqual(['a', 'b', 'b']);
});
