import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from '../../src/context/token-bucket.ts';

test("a second's worth at once, then as they come", () => {
  let now = 0;
  const bucket = new TokenBucket(10, () => now);
  const taken = (): number =>
    Array.from({ length: 100 }, () => bucket.tryTake()).filter(Boolean).length;
  expect(taken()).toBe(10);
  now += 500;
  expect(taken()).toBe(5);
  now += 60_000;
  expect(taken()).toBe(10);
});

test('one is saved up for where there is less than one a second', () => {
  let now = 0;
  const bucket = new TokenBucket(0.1, () => now);
  expect([bucket.tryTake(), bucket.tryTake()]).toEqual([true, false]);
  now += 9_900;
  expect(bucket.tryTake()).toBe(false);
  now += 200;
  expect(bucket.tryTake()).toBe(true);
});

test('what happens in any case holds up the others, for a second at most', () => {
  let now = 0;
  const bucket = new TokenBucket(10, () => now);
  for (let i = 0; i < 1_000; i += 1) bucket.charge();
  now += 900;
  expect(bucket.tryTake()).toBe(false);
  now += 300;
  expect(bucket.tryTake()).toBe(true);
});

test('in any stretch of time no more than the rate and one burst', () => {
  const steps = fc.array(fc.nat({ max: 400 }), { maxLength: 300 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), steps, (rate, waits) => {
      let now = 0;
      const bucket = new TokenBucket(rate, () => now);
      let taken = 0;
      for (const wait of waits) {
        now += wait;
        while (bucket.tryTake()) taken += 1;
      }
      expect(taken).toBeLessThanOrEqual(rate + (now / 1000) * rate + 1e-6);
    }),
    { seed: 8 },
  );
});
