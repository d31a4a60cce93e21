import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseOtelTracestate } from '../../src/context/otel-tracestate.ts';
import { threshold } from '../../src/context/threshold.ts';

const RV = '6e6d1a75832a2f';

describe('read', () => {
  test.each([
    ['th:c', 'c', undefined],
    ['th:0', '0', undefined],
    ['th:c000', 'c', undefined],
    [`rv:${RV}`, undefined, RV],
    [`p:8;th:8;r:62;rv:${RV}`, '8', RV],
    ['', undefined, undefined],
  ])('%s', (value, th, rv) => {
    const parsed = parseOtelTracestate(value);
    expect(parsed.threshold?.th).toBe(th);
    expect(parsed.randomness?.toString()).toBe(rv);
  });

  test.each([
    ['a threshold without digits', 'th:'],
    ['one of 15 digits', 'th:123456789abcdef'],
    ['one in upper case', 'th:C'],
    ['randomness of 13 digits', 'rv:6e6d1a75832a2'],
    ['randomness in upper case', 'rv:6E6D1A75832A2F'],
  ])('not %s', (_name, value) => {
    const parsed = parseOtelTracestate(value);
    expect([parsed.threshold, parsed.randomness]).toEqual([undefined, undefined]);
    expect(parsed.with(undefined)).toBe('');
  });
});

describe('with another threshold', () => {
  test.each([
    ['passed as it came', 'p:8;th:c;r:62', 'c', 'p:8;th:c;r:62'],
    ['without one, as it came', `rv:${RV};p:8`, undefined, `rv:${RV};p:8`],
    ['updated, the others stay', `p:8;th:c;rv:${RV}`, '8', `th:8;rv:${RV};p:8`],
    ['erased, the others stay', `th:c;rv:${RV};p:8`, undefined, `rv:${RV};p:8`],
    ['erased, nothing stays', 'th:c', undefined, ''],
    ['two of them become one', 'th:c;th:8', 'c', 'th:c'],
  ])('%s', (_name, value, th, expected) => {
    const next = th === undefined ? undefined : threshold(th);
    expect(parseOtelTracestate(value).with(next)).toBe(expected);
  });

  test('others go where it gets longer than 256 characters, randomness stays', () => {
    const value = `rv:${RV};${Array.from({ length: 22 }, (_, i) => `k${i}:abcdef`).join(';')}`;
    expect(value.length).toBeLessThanOrEqual(256);
    const result = parseOtelTracestate(value).with(threshold('123456789abcde'));
    expect(result.length).toBeLessThanOrEqual(256);
    expect(result.startsWith(`th:123456789abcde;rv:${RV};k0:abcdef;`)).toBe(true);
  });
});

test('whatever comes, what is propagated is a valid value, with the threshold that was set', () => {
  const character = fc.constantFrom(...'thrv:;=0123456789abcdefABC.-_ ');
  const value = fc.string({ unit: character, maxLength: 256 });
  const th = fc.option(fc.stringMatching(/^[0-9a-f]{1,14}$/).map(threshold), { nil: undefined });
  fc.assert(
    fc.property(value, th, (text, next) => {
      const result = parseOtelTracestate(text).with(next);
      const again = parseOtelTracestate(result);
      expect(again.threshold?.th).toBe(next?.th);
      expect(again.randomness).toEqual(parseOtelTracestate(text).randomness);
      expect(result.length).toBeLessThanOrEqual(256);
    }),
    { seed: 7, numRuns: 2_000 },
  );
});
