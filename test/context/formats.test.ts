import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseB3 } from '../../src/context/b3.ts';
import { parseJaeger } from '../../src/context/jaeger.ts';
import type { RemoteContext } from '../../src/context/remote-context.ts';
import { parseXray } from '../../src/context/xray.ts';

const T128 = '80f198ee56343ba864fe8b2a57d3eff7';
const T64 = '64fe8b2a57d3eff7';
const SPAN = 'e457b5a2e4d86bd1';
const PADDED = `0000000000000000${T64}`;

const caller = (
  traceId: string | undefined,
  sampled: boolean | undefined,
  debug = false,
): RemoteContext => ({
  ids: traceId === undefined ? undefined : { traceId, spanId: SPAN },
  sampled,
  debug,
});

describe('b3', () => {
  test.each([
    ['sampled', `${T128}-${SPAN}-1`, caller(T128, true)],
    ['not sampled', `${T128}-${SPAN}-0`, caller(T128, false)],
    ['debug', `${T128}-${SPAN}-d`, caller(T128, true, true)],
    ['undecided', `${T128}-${SPAN}`, caller(T128, undefined)],
    ['with a parent', `${T128}-${SPAN}-1-05e3ac9a4f6e3b90`, caller(T128, true)],
    ['64 bits', `${T64}-${SPAN}-1`, caller(PADDED, true)],
    ['upper case', `${T128.toUpperCase()}-${SPAN.toUpperCase()}-1`, caller(T128, true)],
    ['0 alone', '0', caller(undefined, false)],
    ['1 alone', '1', caller(undefined, true)],
    ['d alone', 'd', caller(undefined, true, true)],
  ])('single, %s', (_name, single, expected) => expect(parseB3({ single })).toEqual(expected));

  test.each([
    '',
    '2',
    T128,
    `${T128}-${SPAN}-2`,
    `${T128}-${SPAN}-`,
    `${T128}-${SPAN}-1-`,
    `${T128}-${SPAN}-1-zz`,
    `${T128.slice(1)}-${SPAN}-1`,
    `${T128}-${SPAN.slice(1)}-1`,
    `${'0'.repeat(32)}-${SPAN}-1`,
    `${T128}-${'0'.repeat(16)}-1`,
    ` ${T128}-${SPAN}-1`,
  ])('single, not %j', (single) => expect(parseB3({ single })).toBeUndefined());

  test.each([
    ['sampled', { traceId: T128, spanId: SPAN, sampled: '1' }, caller(T128, true)],
    ['not sampled', { traceId: T128, spanId: SPAN, sampled: '0' }, caller(T128, false)],
    ['old words', { traceId: T128, spanId: SPAN, sampled: 'true' }, caller(T128, true)],
    ['debug', { traceId: T128, spanId: SPAN, flags: '1' }, caller(T128, true, true)],
    [
      'debug over sampled',
      { traceId: T64, spanId: SPAN, sampled: '0', flags: '1' },
      caller(PADDED, true, true),
    ],
    ['undecided', { traceId: T128, spanId: SPAN }, caller(T128, undefined)],
    ['a decision alone', { sampled: '0' }, caller(undefined, false)],
    ['debug alone', { flags: '1' }, caller(undefined, true, true)],
  ])('multi, %s', (_name, headers, expected) => expect(parseB3(headers)).toEqual(expected));

  test.each([
    ['nothing', {}],
    ['a trace id alone', { traceId: T128, sampled: '1' }],
    ['a span id alone', { spanId: SPAN, sampled: '1' }],
    ['a short trace id', { traceId: 'abc', spanId: SPAN }],
    ['no hexadecimal', { traceId: 'g'.repeat(32), spanId: SPAN }],
    ['an unknown decision alone', { sampled: 'maybe' }],
  ])('multi, not %s', (_name, headers) => expect(parseB3(headers)).toBeUndefined());

  test('the single header goes before the others, where it is valid', () => {
    const multi = { traceId: T64, spanId: SPAN, sampled: '0' };
    expect(parseB3({ single: `${T128}-${SPAN}-1`, ...multi })).toEqual(caller(T128, true));
    expect(parseB3({ single: 'no', ...multi })).toEqual(caller(PADDED, false));
  });
});

describe('jaeger', () => {
  test.each([
    ['sampled', `${T128}:${SPAN}:0:1`, caller(T128, true)],
    ['not sampled', `${T128}:${SPAN}:0:0`, caller(T128, false)],
    ['debug', `${T128}:${SPAN}:0:3`, caller(T128, true, true)],
    ['64 bits', `${T64}:${SPAN}:${T64}:1`, caller(PADDED, true)],
    [
      'no leading zeros',
      `64fe8b2a57d3ef:${SPAN}:0:1`,
      caller('64fe8b2a57d3ef'.padStart(32, '0'), true),
    ],
    ['percent-encoded', `${T128}%3A${SPAN}%3a0%3A01`, caller(T128, true)],
    ['more flags', `${T128}:${SPAN}:0:9`, caller(T128, true)],
  ])('%s', (_name, text, expected) => expect(parseJaeger(text)).toEqual(expected));

  test.each([
    '',
    `${T128}:${SPAN}:0`,
    `${T128}:${SPAN}:0:x`,
    `0:${SPAN}:0:1`,
    `${T128}:0:0:1`,
    `${T128}0:${SPAN}:0:1`,
    `${T128}:${SPAN}:0:1:2`,
  ])('not %j', (text) => expect(parseJaeger(text)).toBeUndefined());
});

describe('xray', () => {
  const ROOT = 'Root=1-80f198ee-56343ba864fe8b2a57d3eff7';
  test.each([
    ['sampled', `${ROOT};Parent=${SPAN};Sampled=1`, caller(T128, true)],
    ['not sampled', `${ROOT};Parent=${SPAN};Sampled=0`, caller(T128, false)],
    ['left to us', `${ROOT};Parent=${SPAN};Sampled=?`, caller(T128, undefined)],
    ['undecided', `${ROOT};Parent=${SPAN}`, caller(T128, undefined)],
    [
      'in any order',
      `Sampled=1; Self=1-2-3; Parent=${SPAN}; ${ROOT}; Lineage=a:0`,
      caller(T128, true),
    ],
  ])('%s', (_name, text, expected) => expect(parseXray(text)).toEqual(expected));

  test.each([
    '',
    ROOT,
    `Parent=${SPAN};Sampled=1`,
    `${ROOT.replace('1-', '2-')};Parent=${SPAN}`,
    `${ROOT}0;Parent=${SPAN}`,
    `${ROOT};Parent=${SPAN.slice(1)}`,
    `Root=1-00000000-${'0'.repeat(24)};Parent=${SPAN}`,
  ])('not %j', (text) => expect(parseXray(text)).toBeUndefined());
});

test('whatever comes, ids are as W3C has them, or there are none', () => {
  const text = fc.string({
    unit: fc.constantFrom(...'0123456789abcdefABCDEF-:;=%?. ootRParent'),
    maxLength: 90,
  });
  const isId = (ids: RemoteContext['ids']): boolean =>
    ids === undefined ||
    (/^(?!0{32})[0-9a-f]{32}$/.test(ids.traceId) && /^(?!0{16})[0-9a-f]{16}$/.test(ids.spanId));
  fc.assert(
    fc.property(text, text, text, (a, b, c) => {
      const callers = [
        parseB3({ single: a }),
        parseB3({ traceId: a, spanId: b, sampled: c }),
        parseJaeger(`${a}:${b}:0:1`),
        parseXray(`Root=1-${a}-${b};Parent=${c}`),
      ];
      expect(callers.every((found) => isId(found?.ids))).toBe(true);
    }),
    { seed: 9, numRuns: 5_000 },
  );
});
