import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Sampler } from '../../src/context/sampling.ts';
import {
  ALWAYS_SAMPLE,
  reaches,
  threshold,
  thresholdInMillionths,
  thresholdOf,
} from '../../src/context/threshold.ts';
import { SHIPPED_ENGINE } from '../../src/haproxy/shipped.ts';
import { SAMPLED_EXPRESSIONS, shareSettings } from '../../src/wiring/sampling-rules.ts';

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

test.each([0, -1, 2 ** -57, Number.NaN])('a ratio of %d samples nothing', (ratio) =>
  expect(thresholdOf(ratio)).toBeUndefined(),
);

test.each([1, 2, 1 - 2 ** -30])('a ratio of %d samples all', (ratio) =>
  expect(thresholdOf(ratio)).toEqual(ALWAYS_SAMPLE),
);

test('the smallest ratio there is', () => {
  expect(thresholdOf(2 ** -56)?.th).toBe('ffffffffffffff');
});

test('zeros at the end do not count', () => {
  expect(threshold('c000')).toEqual(threshold('c'));
  expect(threshold('0').th).toBe('0');
});

test('any ratio is exact to four digits', () => {
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

describe("HAProxy's own rules", () => {
  /** `hex2i`, `mul` and `add`, in 64 bits, as in `SAMPLED_EXPRESSIONS`. */
  const keeps = (ratio: string, traceId: string): boolean => {
    const [whole, decimals] = ratio.split('.');
    if (whole === '1') return true;
    if (decimals === undefined) return false;
    const [, factor = '', range = ''] =
      /mul\((\d+)\).* ge (\d+)$/.exec(SAMPLED_EXPRESSIONS[1]) ?? [];
    const share = BigInt(`${decimals}000000`.slice(0, 6)) * BigInt(factor);
    return BigInt.asIntN(64, share + BigInt(`0x${traceId.slice(18)}`)) >= BigInt(range);
  };

  test('and the agent decide alike, on 100,000 ids', () => {
    const ratios = ['0', '0.000001', '0.01', '0.1', '0.25', '.5', '0.999999', '1', '1.0', '0.'];
    const sampler = new Sampler({ name: 'parentbased_traceidratio', ratio: 0.5 });
    const wanted = ratios.map((ratio) => thresholdInMillionths(ratio) ?? null);
    let different = 0;
    const kept = ratios.map(() => 0);
    for (let i = 0; i < 100_000; i += 1) {
      const traceId = createHash('md5').update(String(i)).digest('hex');
      const at = i % ratios.length;
      const bytes = Buffer.from(traceId);
      const decided = sampler.decide(undefined, bytes, 0, undefined, wanted[at], undefined, true);
      if (decided !== keeps(ratios[at] ?? '', traceId)) different += 1;
      if (decided) kept[at] = (kept[at] ?? 0) + 1;
    }
    expect(different).toBe(0);
    expect(kept.map((count) => Math.round(count / 1_000))).toEqual([
      0, 0, 0, 1, 3, 5, 10, 10, 10, 0,
    ]);
  });

  test('on the edge of a threshold, too', () => {
    for (const ratio of ['0.000001', '0.01', '0.5', '0.999999']) {
      const wanted = thresholdInMillionths(ratio);
      if (wanted === undefined) throw new Error(`${ratio} is some`);
      const edge = BigInt(`0x${Buffer.from(wanted.digits).toString('latin1')}`);
      for (const randomness of [edge - 1n, edge]) {
        const traceId = `${'1'.repeat(18)}${randomness.toString(16).padStart(14, '0')}`;
        expect(reaches(Buffer.from(traceId), 18, wanted)).toBe(randomness === edge);
        expect(keeps(ratio, traceId)).toBe(randomness === edge);
      }
    }
  });

  test('compare with the threshold of the same share', () => {
    for (const ratio of ['0', '0.000001', '0.01', '0.5', '0.999999', '1']) {
      const [share, threshold] = shareSettings(ratio);
      expect(share).toBe(`setenv OTEL_RATIO ${ratio}`);
      const limit = BigInt(threshold?.replace('setenv OTEL_THRESHOLD ', '') ?? '');
      for (const randomness of [0n, limit - 1n, limit, 2n ** 56n - 1n]) {
        if (randomness < 0n || randomness >= 2n ** 56n) continue;
        const traceId = `${'1'.repeat(18)}${randomness.toString(16).padStart(14, '0')}`;
        expect([ratio, randomness, keeps(ratio, traceId)]).toEqual([
          ratio,
          randomness,
          randomness >= limit,
        ]);
      }
    }
  });

  test('are the same in the engine', () => {
    const engine = readFileSync(SHIPPED_ENGINE, 'utf8');
    const acls = [...engine.matchAll(/^ *acl kept ("var\(txn\.otel\.ratio,.*)$/gm)];
    expect(acls.length).toBeGreaterThan(SAMPLED_EXPRESSIONS.length);
    for (const [, sample = ''] of acls) expect(SAMPLED_EXPRESSIONS).toContain(sample);
  });
});
