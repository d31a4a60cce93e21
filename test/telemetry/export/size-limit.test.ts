import { expect, test } from 'vitest';
import { SizeLimit } from '../../../src/telemetry/export/size-limit.ts';

test('nothing is too large until something was refused, and then all that is as large', () => {
  const limit = new SizeLimit();
  expect(limit.isExceededBy(2 ** 40)).toBe(false);
  expect(limit.refused(1_000_000)).toBe(true);
  expect(limit.refused(500_000)).toBe(false);
  expect(limit.refused(900_000)).toBe(false);
  expect([499_999, 500_000].map((bytes) => limit.isExceededBy(bytes))).toEqual([false, true]);
});

test('larger ones are tried again after many were accepted, and a receiver that accepts all is as before', () => {
  const limit = new SizeLimit();
  limit.refused(500_000);
  for (let i = 0; i < 63; i += 1) limit.sent();
  expect(limit.isExceededBy(600_000)).toBe(true);
  limit.sent();
  expect([600_000, 1_000_000].map((bytes) => limit.isExceededBy(bytes))).toEqual([false, true]);
  for (let i = 0; i < 1000; i += 1) limit.sent();
  expect(limit.isExceededBy(2 ** 40)).toBe(false);
  expect(limit.refused(1_000_000)).toBe(true);
});

test('a refusal that was not for size does not make batches smaller', () => {
  const limit = new SizeLimit();
  limit.refused(2_000);
  limit.forget();
  expect(limit.isExceededBy(1_000_000)).toBe(false);
  expect(limit.refused(1_000_000)).toBe(false);
});
