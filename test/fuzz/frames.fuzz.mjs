// Bytes of a SPOP peer: however they are cut into chunks the frames are the same, and each is answered or refused.
import { readFileSync } from 'node:fs';
import { notify, PLAIN, WITH_CONTEXT } from '../../benchmarks/inputs.mjs';
import { Minter } from '../../dist/context/mint.js';
import { Sampler } from '../../dist/context/sampling.js';
import { FrameType } from '../../dist/spop/constants.js';
import {
  decodeDisconnect,
  decodeHaproxyHello,
  NotifyReader,
  readFrameHead,
} from '../../dist/spop/decode.js';
import { AckWriter } from '../../dist/spop/encode.js';
import { SpopError } from '../../dist/spop/error.js';
import { Reader } from '../../dist/spop/reader.js';
import { FrameSplitter } from '../../dist/spop/splitter.js';
import { Writer } from '../../dist/spop/writer.js';
import { check, inChunks } from './checks.mjs';

const LIMIT = 4_096;
/** No agent writes more for one question: what it continues of a tracestate is at most 512 characters. */
const LARGEST_ACK = 1_024;

const captures = JSON.parse(readFileSync(new URL('../spop/captures.json', import.meta.url)));
export const seeds = [
  ...Object.values(captures)
    .flatMap(Object.values)
    .map((hex) => Buffer.from(hex, 'hex')),
  notify(1, 1, PLAIN),
  Buffer.concat([notify(300, 1, WITH_CONTEXT), notify(301, 2, PLAIN)]),
].map((frames) => Buffer.concat([Buffer.of(7), frames]));

const sampler = new Sampler({ name: 'parentbased_always_on', ratio: 1 });
const minter = new Minter(sampler, { propagators: ['tracecontext', 'b3', 'jaeger', 'xray'] });
const reader = new Reader();
const cursor = new NotifyReader(reader);
const out = new Writer();
const ack = new AckWriter(out);

/** The frames of a connection in hexadecimal, and what ended it. */
function split(chunks) {
  const splitter = new FrameSplitter(LIMIT);
  const seen = [];
  try {
    for (const chunk of chunks) {
      splitter.push(chunk, (buffer, start, end) => seen.push(buffer.toString('hex', start, end)));
      check(splitter.pending <= LIMIT + 4, 'more is held than one frame');
    }
    return [...seen, splitter.pending].join();
  } catch (error) {
    if (error instanceof SpopError) return [...seen, error.message].join();
    throw error;
  }
}

function answer(frame) {
  reader.reset(frame, 0, frame.length);
  const { type } = readFrameHead(reader);
  if (type === FrameType.HAPROXY_HELLO) decodeHaproxyHello(reader);
  else if (type === FrameType.HAPROXY_DISCONNECT) decodeDisconnect(reader);
  else if (type === FrameType.NOTIFY) {
    out.clear();
    cursor.open();
    ack.begin(cursor);
    minter.handle(cursor, ack);
    ack.end();
    const bytes = out.bytes();
    check(bytes.readUInt32BE(0) === bytes.length - 4, 'an ACK of a wrong length');
    check(bytes.length < LARGEST_ACK, 'an ACK that is too large');
  }
}

export function fuzz(data) {
  const frames = data.subarray(1);
  const whole = split([frames]);
  check(whole === split(inChunks(frames, data[0])), 'frames depend on chunks');
  try {
    answer(frames.subarray(4));
  } catch (error) {
    if (!(error instanceof SpopError)) throw error;
  }
}
