import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Minter } from '../../src/context/mint.ts';
import { Sampler } from '../../src/context/sampling.ts';
import {
  decodeDisconnect,
  decodeHaproxyHello,
  NotifyReader,
  readFrameHead,
} from '../../src/spop/decode.ts';
import { AckWriter } from '../../src/spop/encode.ts';
import { SpopError } from '../../src/spop/error.ts';
import { Reader } from '../../src/spop/reader.ts';
import { FrameSplitter } from '../../src/spop/splitter.ts';
import { Writer } from '../../src/spop/writer.ts';
import { CAPTURES, decodeAgentFrames } from './frames.ts';

const FRAMES = 250_000;
const LIMIT = 4096;
/** What all frames together may leave behind, in bytes. */
const MEMORY = 64 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** A small generator with a seed (mulberry32): whole numbers below `bound`. */
function seeded(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

const captured = Object.values(CAPTURES)
  .flatMap(Object.values)
  .map((hex) => Buffer.from(hex, 'hex'));

/** A frame of a real HAProxy with bytes changed, cut or added; or nothing but noise behind a length. */
function randomFrame(random: (bound: number) => number): Buffer {
  if (random(4) === 0) {
    const bytes = Buffer.alloc(4 + random(300));
    for (let i = 4; i < bytes.length; i += 1) bytes[i] = random(256);
    if (random(2) === 0 && bytes.length > 9) bytes.set([1 + random(3), 0, 0, 0, 1], 4);
    bytes.writeUInt32BE(bytes.length - 4);
    return bytes;
  }
  const source = captured[random(captured.length)] ?? Buffer.alloc(0);
  const bytes = Buffer.from(source);
  for (let changes = random(6); changes > 0; changes -= 1) {
    bytes[4 + random(bytes.length - 4)] = random(256);
  }
  const cut = random(5) === 0 ? bytes.subarray(0, 5 + random(bytes.length - 5)) : bytes;
  cut.writeUInt32BE(random(50) === 0 ? random(2 * LIMIT) : cut.length - 4);
  return cut;
}

test(`${FRAMES} random frames cause answers or protocol errors, nothing else`, () => {
  const random = seeded(20261123);
  const minter = new Minter(new Sampler({ name: 'parentbased_always_on', ratio: 1 }));
  const reader = new Reader();
  const cursor = new NotifyReader(reader);
  const out = new Writer();
  const ack = new AckWriter(out);
  let splitter = new FrameSplitter(LIMIT);
  let frames = 0;
  let answers = 0;
  let errors = 0;
  let pending = 0;

  const take = (buffer: Buffer, start: number, end: number): void => {
    frames += 1;
    reader.reset(buffer, start, end);
    const { type } = readFrameHead(reader);
    if (type === 1) decodeHaproxyHello(reader);
    else if (type === 2) decodeDisconnect(reader);
    else if (type === 3) {
      cursor.open();
      ack.begin(cursor);
      minter.handle(cursor, ack);
      ack.end();
      const [answer] = decodeAgentFrames(out.bytes());
      if (answer === undefined || answer.actions.length === 0) throw new Error('empty ACK');
      answers += 1;
    }
  };

  collectGarbage();
  const before = process.memoryUsage();
  for (let i = 0; i < FRAMES; i += 1) {
    out.clear();
    try {
      splitter.push(randomFrame(random), take);
      pending = Math.max(pending, splitter.pending);
    } catch (error) {
      if (!(error instanceof SpopError)) throw error;
      errors += 1;
      // A connection ends with its first error.
      splitter = new FrameSplitter(LIMIT);
    }
  }
  collectGarbage();
  const after = process.memoryUsage();
  expect(pending).toBeLessThanOrEqual(LIMIT + 4);
  expect(frames).toBeGreaterThan(200_000);
  expect(answers).toBeGreaterThan(FRAMES / 20);
  expect(errors).toBeGreaterThan(FRAMES / 10);
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(
    MEMORY,
  );
});
