import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KEEP_ALL, reaches, threshold, thresholdOf } from '../../src/context/threshold.ts';

describe('from a ratio: the table of the specification, "Converting floating-point probability"', () => {
  test.each([
    [1, '0'],
    [2, '8'],
    [3, 'aaab'],
    [4, 'c'],
    [5, 'cccd'],
    [8, 'e'],
    [10, 'e666'],
    [16, 'f'],
    [100, 'fd70a'],
    [1_000, 'ffbe77'],
    [10_000, 'fff9724'],
    [100_000, 'ffff583a'],
    [1_000_000, 'ffffef39'],
  ])('1 in %d is th:%s', (n, th) => expect(thresholdOf(1 / n)?.th).toBe(th));
});

test.each([0, -1, 2 ** -57, Number.NaN])('a ratio of %d keeps nothing', (ratio) =>
  expect(thresholdOf(ratio)).toBeUndefined(),
);

test.each([1, 2, 1 - 2 ** -30])('a ratio of %d keeps all', (ratio) =>
  expect(thresholdOf(ratio)).toEqual(KEEP_ALL),
);

test('the smallest ratio there is', () => {
  expect(thresholdOf(2 ** -56)?.th).toBe('ffffffffffffff');
});

test('zeros at the end do not count', () => {
  expect(threshold('c000')).toEqual(threshold('c'));
  expect(threshold('0').th).toBe('0');
});

test('any ratio is kept to within its four digits', () => {
  fc.assert(
    fc.property(fc.double({ min: 2 ** -40, max: 1, noNaN: true }), (ratio) => {
      const { th = '' } = thresholdOf(ratio) ?? {};
      expect(th).toMatch(/^[0-9a-f]{1,14}$/);
      const kept = 1 - Number(BigInt(`0x${th.padEnd(14, '0')}`)) / 2 ** 56;
      expect(Math.abs(kept / ratio - 1)).toBeLessThan(2 ** -12);
    }),
    { seed: 5 },
  );
});

test('digits compare as the numbers do', () => {
  const value = fc.bigInt({ min: 0n, max: 2n ** 56n - 1n });
  const digits = (number: bigint): string => number.toString(16).padStart(14, '0');
  fc.assert(
    fc.property(value, value, (randomness, limit) => {
      const bytes = Buffer.from(`xx${digits(randomness)}`);
      expect(reaches(bytes, 2, threshold(digits(limit)))).toBe(randomness >= limit);
      expect(reaches(bytes, 2, threshold(digits(randomness)))).toBe(true);
    }),
    { seed: 6 },
  );
});
