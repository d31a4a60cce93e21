import { expect, test } from 'vitest';
import { ProtobufWriter } from '../../../src/telemetry/otlp/protobuf.ts';

const HEAD = Buffer.from('h');
/** The writer's first buffer, which is also the size of the pool that Node 24 hands slices out of. */
const CAPACITY = 64 * 1024;

/** What a batch of `length` bytes reads as: its head, and `mark` for every byte behind it. */
function write(writer: ProtobufWriter, mark: number, length: number): Buffer {
  for (let i = 0; i < length; i += 1) writer.byte(mark);
  return Buffer.concat([HEAD, Buffer.alloc(length, mark)]);
}

test.each([
  ['of the same length', () => Buffer.from(new ArrayBuffer(CAPACITY))],
  ["out of Node's pool", () => Buffer.from('a'.repeat(100))],
  ["out of Node's pool, uninitialised", () => Buffer.allocUnsafe(100).fill('a')],
  [
    'that was handed over as a copy',
    () => {
      const other = new ProtobufWriter(1);
      write(other, 1, 100);
      return other.finish(HEAD);
    },
  ],
  [
    "of another writer's",
    () => {
      const other = new ProtobufWriter(1);
      write(other, 1, CAPACITY - 1);
      return other.finish(HEAD);
    },
  ],
])('a buffer %s is never written over', (_name, make) => {
  const writer = new ProtobufWriter(1);
  const stranger = make();
  const before = new Uint8Array(stranger);
  const taken: [Buffer, Buffer][] = [];
  for (let mark = 2; mark < 12; mark += 1) {
    // Small ones and full ones in turn, and the stranger's between them.
    const expected = write(writer, mark, mark % 2 === 0 ? 100 : CAPACITY - 1);
    taken.push([writer.finish(HEAD), expected]);
    writer.recycle(stranger);
  }
  expect(stranger.equals(before)).toBe(true);
  for (const [bytes, expected] of taken) expect(bytes.equals(expected)).toBe(true);
});

test('a recycled buffer is used once, however often it is recycled', () => {
  const writer = new ProtobufWriter(1);
  const take = (mark: number): Buffer<ArrayBuffer> => {
    write(writer, mark, CAPACITY - 1);
    return writer.finish(HEAD);
  };
  const first = take(1);
  writer.recycle(first);
  writer.recycle(first);
  const rest = [take(2), take(3), take(4)];
  writer.recycle(first);
  rest.push(take(5), take(6));
  expect(rest.filter(({ buffer }) => buffer === first.buffer)).toHaveLength(1);
  expect(new Set(rest.map(({ buffer }) => buffer)).size).toBe(5);
  rest.forEach((bytes, i) => {
    expect(bytes.subarray(1).every((byte) => byte === i + 2)).toBe(true);
  });
});

test("a small batch has memory of its own, not a slice of what is everybody's", () => {
  const writer = new ProtobufWriter(1);
  write(writer, 1, 100);
  const { buffer, length } = writer.finish(HEAD);
  expect(buffer.byteLength).toBe(length);
});

test.each([
  ['a small batch', 100],
  ['a full one', CAPACITY - 1000],
])('what was written behind %s is the beginning of the next', (_name, length) => {
  const writer = new ProtobufWriter(1);
  const first = write(writer, 1, length);
  const end = writer.position;
  const rest = write(writer, 2, 50);
  expect(writer.finish(HEAD, end).equals(first)).toBe(true);
  const more = write(writer, 3, 10);
  expect(writer.finish(HEAD).equals(Buffer.concat([rest, more.subarray(1)]))).toBe(true);
});
