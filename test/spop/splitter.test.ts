import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StatusCode } from '../../src/spop/constants.ts';
import { FrameSplitter } from '../../src/spop/splitter.ts';
import { CAPTURES, frame } from './frames.ts';

const LIMIT = 1024;

function collect(splitter: FrameSplitter, chunks: readonly Buffer[]): string[] {
  const frames: string[] = [];
  for (const chunk of chunks) {
    // A chunk of its own each time, wiped afterwards: what outlives it must have been copied.
    const own = Buffer.from(chunk);
    splitter.push(own, (buffer, start, end) => frames.push(buffer.toString('hex', start, end)));
    own.fill(0xee);
  }
  return frames;
}

const captured = Object.values(CAPTURES).flatMap((capture) =>
  [capture.hello, capture.notify, capture.notifyWithContext].map((hex) => Buffer.from(hex, 'hex')),
);
const stream = Buffer.concat(captured);
const expected = captured.map((bytes) => bytes.toString('hex', 4));

test('a stream that comes at once', () => {
  expect(collect(new FrameSplitter(LIMIT), [stream])).toEqual(expected);
});

test('a stream that comes byte by byte', () => {
  const bytes = [...stream].map((byte) => Buffer.from([byte]));
  expect(collect(new FrameSplitter(LIMIT), bytes)).toEqual(expected);
});

test('a stream cut in two at every place', () => {
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const chunks = [stream.subarray(0, cut), stream.subarray(cut)];
    expect(collect(new FrameSplitter(LIMIT), chunks)).toEqual(expected);
  }
});

test('a stream cut anywhere, any number of times', () => {
  const cuts = fc.array(fc.nat({ max: stream.length }), { maxLength: 40 });
  fc.assert(
    fc.property(cuts, (places) => {
      const sorted = [0, ...places.sort((a, b) => a - b), stream.length];
      const chunks = sorted.slice(1).map((end, i) => stream.subarray(sorted[i], end));
      expect(collect(new FrameSplitter(LIMIT), chunks)).toEqual(expected);
    }),
    { seed: 6, numRuns: 500 },
  );
});

test('a frame of the largest size is accepted, one byte more is refused by its length alone', () => {
  const largest = frame(3, 1, 0, 0, (writer) => writer.reserve(LIMIT - 7));
  expect(collect(new FrameSplitter(LIMIT), [largest])).toHaveLength(1);
  const tooLarge = Buffer.alloc(4);
  tooLarge.writeUInt32BE(LIMIT + 1);
  const splitter = new FrameSplitter(LIMIT);
  expect(() => collect(splitter, [tooLarge])).toThrow(
    expect.objectContaining({ status: StatusCode.FRAME_TOO_BIG }),
  );
  expect(splitter.pending).toBe(0);
});

test.each([0, 1, 6])('a frame of %d bytes is invalid', (length) => {
  const bytes = Buffer.alloc(4 + length);
  bytes.writeUInt32BE(length);
  expect(() => collect(new FrameSplitter(LIMIT), [bytes])).toThrow(
    expect.objectContaining({ status: StatusCode.INVALID_FRAME }),
  );
});
