import { expect, test } from 'vitest';
import { LineTime } from '../../src/records/line-time.ts';

const read = (text: string): number | undefined => new LineTime().read(Buffer.from(text), 0);

test('a time with its offset, in microseconds since the epoch', () => {
  expect(read('2026-11-23T12:00:00.123456+00:00')).toBe(1_795_435_200_123_456);
  expect(read('2026-11-23T13:00:00.123456+01:00')).toBe(1_795_435_200_123_456);
  expect(read('2262-04-11T00:00:00.000000+00:00')).toBe(9_223_286_400_000_000);
});

test.each([
  ['what Date.parse takes for a year', '202\u0001\u000011-23T07:17:40.853850+00:00'],
  ['a month that is none', '2026-13-23T12:00:00.123456+00:00'],
  ['before the epoch', '1969-12-31T23:59:59.123456+00:00'],
  ['beyond the nanoseconds of OTLP', '2262-04-12T00:00:00.000000+00:00'],
  ['no microseconds', '2026-11-23T12:00:00.12345x+00:00'],
])('%s is no time', (_name, text) => {
  expect(read(text)).toBeUndefined();
});
