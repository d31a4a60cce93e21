import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FramingError, MAX_RECORD_BYTES, RecordSplitter } from '../../src/records/splitter.ts';
import { octetCounted } from './lines.ts';

function split(chunks: readonly Buffer[], splitter = new RecordSplitter()): string[] {
  const records: string[] = [];
  for (const chunk of chunks) {
    const own = Buffer.from(chunk);
    splitter.push(own, (buffer, start, end) => records.push(buffer.toString('utf8', start, end)));
    own.fill(0xee);
  }
  return records;
}

const RECORDS = ['{"a":1}', 'h\u00e9llo', 'with\nnewlines\n', '5 {}', 'x'.repeat(16_300)];
const STREAM = Buffer.from(RECORDS.map(octetCounted).join(''));

test('records that come at once, byte by byte, or cut anywhere', () => {
  expect(split([STREAM])).toEqual(RECORDS);
  expect(split([...STREAM].map((byte) => Buffer.from([byte])))).toEqual(RECORDS);
  fc.assert(
    fc.property(fc.array(fc.nat({ max: STREAM.length }), { maxLength: 20 }), (places) => {
      const cuts = [0, ...places.sort((a, b) => a - b), STREAM.length];
      const chunks = cuts.slice(1).map((end, i) => STREAM.subarray(cuts[i], end));
      expect(split(chunks)).toEqual(RECORDS);
    }),
    { seed: 8, numRuns: 300 },
  );
});

test('an empty record is passed over', () => {
  expect(split([Buffer.from('0 2 {}')])).toEqual(['{}']);
});

describe('lines', () => {
  const lines = ['{"a":1}', 'h\u00e9llo', '192.0.2.1:5000 [text]', '5: {}', 'x'.repeat(16_300)];

  test.each(lines)('are known by their first bytes: %s', (first) => {
    const stream = Buffer.from([first, '', ...lines].map((line) => `${line}\n`).join(''));
    expect(split([stream])).toEqual([first, ...lines]);
    expect(split([...stream].map((byte) => Buffer.from([byte])))).toEqual([first, ...lines]);
  });

  test('that never end are an error', () => {
    const splitter = new RecordSplitter();
    split([Buffer.from('x'.repeat(MAX_RECORD_BYTES))], splitter);
    expect(() => split([Buffer.from('x')], splitter)).toThrow(FramingError);
    expect(splitter.pending).toBe(0);
  });
});

test.each([
  ['a line', '{"a":1}\n'],
  ['a negative count', '-1 x'],
  ['a count without a number', ' x'],
  ['more digits than any count has', '0000000001 x'],
  ['a count that is too large', `${MAX_RECORD_BYTES + 1} x`],
])('%s behind counted records is an error', (_name, text) => {
  const splitter = new RecordSplitter();
  expect(() => split([Buffer.from(`2 {}${text}`)], splitter)).toThrow(FramingError);
  expect(splitter.pending).toBe(0);
});

test('what is held back is never more than one record', () => {
  const splitter = new RecordSplitter();
  split([Buffer.from(`${MAX_RECORD_BYTES} ${'x'.repeat(MAX_RECORD_BYTES - 1)}`)], splitter);
  expect(splitter.pending).toBe(MAX_RECORD_BYTES + 5);
  expect(split([Buffer.from('y')], splitter)).toHaveLength(1);
  expect(splitter.pending).toBe(0);
});
