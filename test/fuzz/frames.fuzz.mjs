// Bytes of a SPOP peer: however they are cut into chunks the frames are the same, and each is answered or refused.
import { readFileSync } from 'node:fs';
import { notify, PLAIN, WITH_CONTEXT } from '../../benchmarks/inputs.mjs';
import { Minter } from '../../dist/context/mint.js';
import { Sampler } from '../../dist/context/sampling.js';
import { DataType, FrameType } from '../../dist/spop/constants.js';
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
import { check, Parts, pushInChunks, target } from './checks.mjs';

const LIMIT = 4_096;
/** No agent writes more for one question: what it continues of a tracestate is at most 512 characters. */
const LARGEST_ACK = 1_024;

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const text = (value) => ({ type: DataType.STRING, value });
const single = ['count', { type: DataType.UINT32, value: 1 }];
/** The headers of all propagators, and what is described to sampling rules. */
const OTHERS = [
  [
    'b3',
    [
      single,
      ['x-b3-traceid', text(TRACE)],
      ['x-b3-spanid', text(SPAN)],
      ['x-b3-sampled', text('1')],
    ],
  ],
  ['jaeger', [single, ['uber-trace-id', text(`${TRACE}:${SPAN}:0:3`)]]],
  [
    'xray',
    [
      single,
      ['x-amzn-trace-id', text(`Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=${SPAN}`)],
    ],
  ],
  [
    'request',
    [
      ['method', text('GET')],
      ['host', text('shop.example')],
      ['path', text('/')],
    ],
  ],
];
/** A value of each type. */
const TYPES = [
  [
    'mint',
    [
      ['trust', text('continue')],
      ['ratio', text('0.25')],
      ['trace_id', text(TRACE)],
      ['', { type: DataType.NULL }],
      ['', { type: DataType.BOOLEAN, value: true }],
      ['', { type: DataType.INT32, value: -1 }],
      ['', { type: DataType.UINT32, value: 2 ** 32 - 1 }],
      ['', { type: DataType.INT64, value: -(2n ** 63n) }],
      ['', { type: DataType.UINT64, value: 2n ** 64n - 1n }],
      ['', { type: DataType.IPV4, value: Buffer.alloc(4) }],
      ['', { type: DataType.IPV6, value: Buffer.alloc(16) }],
      ['', { type: DataType.BINARY, value: Buffer.alloc(300) }],
    ],
  ],
];
const [MINT] = WITH_CONTEXT;

const captures = JSON.parse(readFileSync(new URL('../spop/captures.json', import.meta.url)));
export const seeds = [
  ...Object.values(captures)
    .flatMap(Object.values)
    .map((hex) => Buffer.from(hex, 'hex')),
  notify(1, 1, PLAIN),
  Buffer.concat([notify(300, 1, WITH_CONTEXT), notify(301, 2, PLAIN)]),
  notify(2 ** 40, 2 ** 53 - 1, TYPES),
  ...OTHERS.map((message) => notify(1, 1, [['mint', [['trust', text('continue')]]], message])),
  notify(1, 1, [MINT, ...OTHERS]),
].map((frames) => Buffer.concat([Buffer.of(7), frames]));

const sampler = new Sampler({ name: 'parentbased_always_on', ratio: 1 });
const minter = new Minter(sampler, { propagators: ['tracecontext', 'b3', 'jaeger', 'xray'] });
const reader = new Reader();
const cursor = new NotifyReader(reader);
const out = new Writer();
const ack = new AckWriter(out);
const [whole, cut] = [new Parts(), new Parts()];
/** A frame with others behind it. */
const inMidst = Buffer.alloc(2 * LIMIT, 1);

/** @param push gives all bytes of a connection to a splitter */
function split(parts, push) {
  const splitter = new FrameSplitter(LIMIT);
  parts.clear();
  try {
    push((chunk) => {
      splitter.push(chunk, parts.add);
      check(splitter.pending <= LIMIT + 4, 'more is held than one frame');
    });
    parts.end = String(splitter.pending);
  } catch (error) {
    if (!(error instanceof SpopError)) throw error;
    parts.end = error.message;
  }
}

function answer(length) {
  reader.reset(inMidst, 0, length);
  const { type } = readFrameHead(reader);
  if (type === FrameType.HAPROXY_HELLO) decodeHaproxyHello(reader);
  else if (type === FrameType.HAPROXY_DISCONNECT) decodeDisconnect(reader);
  else if (type === FrameType.NOTIFY) {
    out.clear();
    cursor.open();
    ack.begin(cursor);
    minter.handle(cursor, ack);
    ack.end();
    check(out.view.getUint32(0) === out.position - 4, 'an ACK of a wrong length');
    check(out.position < LARGEST_ACK, 'an ACK that is too large');
  }
}

export const fuzz = target((data) => {
  split(whole, (push) => push(data.subarray(1)));
  split(cut, (push) => pushInChunks(data, 1, data[0], push));
  check(whole.equals(cut), 'frames depend on chunks');
  try {
    answer(data.copy(inMidst, 0, Math.min(5, data.length)));
  } finally {
    check(reader.position <= reader.end, 'more is read than the frame');
  }
}, SpopError);
