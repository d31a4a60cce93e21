// Headers of a client: whatever they are, what the agent passes on is valid.

import { HopView } from '../../dist/context/hop-view.js';
import { Minter } from '../../dist/context/mint.js';
import { Sampler } from '../../dist/context/sampling.js';
import { ActionType, DataType } from '../../dist/spop/constants.js';
import { NotifyReader } from '../../dist/spop/decode.js';
import { AckWriter } from '../../dist/spop/encode.js';
import { Reader } from '../../dist/spop/reader.js';
import { Writer } from '../../dist/spop/writer.js';
import { check, target } from './checks.mjs';
import { Question } from './question.mjs';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
/** A header to a line, its number here in front, and in the first who is trusted and how much is kept. */
const HEADERS = [
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-sampled',
  'x-b3-flags',
  'uber-trace-id',
  'x-amzn-trace-id',
];
const CONTINUED = `continue 1\n0 00-${TRACE}-${SPAN}-01\n`;
const members = (count, length) =>
  Array.from({ length: count }, (_, i) => `m${i}=`.padEnd(length, 'x')).join();
export const seeds = [
  `${CONTINUED}1 rojo=00f067aa0ba902b7, congo=t61rcWkgMzE\n1 ot=th:c;rv:12345678901234`,
  `${CONTINUED}1 ${members(32, 15)}`,
  `${CONTINUED}1 ${members(4, 129)}`,
  `${CONTINUED}1 a=1,b=2,,a=3\n1 ot=rv:0;x:y`,
  `continue 0.3\n0 00-${'0'.repeat(32)}-${SPAN}-01`,
  `continue 0.25\n2 ${TRACE}-${SPAN}-1-${SPAN}`,
  `continue 0.25\n2 ${TRACE.slice(16)}-${SPAN}-d`,
  'continue 0.25\n2 0',
  `continue 0.000001\n3 ${TRACE}\n4 ${SPAN}\n5 1\n6 1`,
  `continue 0\n7 ${TRACE}:${SPAN}:0:3`,
  `continue 1\n8 Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=${SPAN};Sampled=1`,
  `restart 0.5\n0 00-${TRACE}-${SPAN}-00`,
  `ignore 0.5\n0 00-${TRACE}-${SPAN}-03`,
].map((text) => Buffer.from(text));

const sampler = new Sampler({ name: 'parentbased_traceidratio', ratio: 0.5 });
const minter = new Minter(sampler, { propagators: ['tracecontext', 'b3', 'jaeger', 'xray'] });
const reader = new Reader();
const cursor = new NotifyReader(reader);
const out = new Writer();
const ack = new AckWriter(out);
const view = new HopView();
const question = new Question();

const [NEWLINE, SPACE, ZERO] = [0x0a, 0x20, 0x30];
const MOST_HEADERS = 40;
/** Where values of each header start and end in the input. */
const values = HEADERS.map(() => ({ count: 0, starts: [], ends: [] }));
const [traceparents, tracestates, ...others] = values;
const [b3, b3TraceId, b3SpanId, b3Sampled, b3Flags, jaeger, xray] = others;

/** @returns where the first line ends */
function readHeaders(data) {
  for (const each of values) each.count = 0;
  const first = lineEnd(data, 0);
  let start = first + 1;
  for (let lines = 0; start < data.length && lines < MOST_HEADERS; lines += 1) {
    const end = lineEnd(data, start);
    const header = values[(data[start] - ZERO + 6 * HEADERS.length) % HEADERS.length];
    header.starts[header.count] = Math.min(start + 2, end);
    header.ends[header.count] = end;
    header.count += 1;
    start = end + 1;
  }
  return first;
}

function lineEnd(data, start) {
  const end = data.indexOf(NEWLINE, start);
  return end === -1 ? data.length : end;
}

/** The last value of a header, as much of it as the engine sends, or none. */
function last(name, data, { count, starts, ends }, most) {
  if (count === 0) question.nothing(name);
  else
    question.text(
      name,
      data,
      starts[count - 1],
      Math.min(ends[count - 1], starts[count - 1] + most),
    );
}

/** The NOTIFY that spoe/otel.conf makes of them, from its identifiers on. */
function ask(data) {
  const first = readHeaders(data);
  const space = data.indexOf(SPACE);
  const trust = space === -1 || space > first ? first : space;
  question.begin();
  question.message('mint', 4);
  last('traceparent', data, traceparents, 56);
  question.count('traceparent_count', traceparents.count);
  question.text('trust', data, 0, trust);
  question.text('ratio', data, Math.min(trust + 1, first), first);
  if (tracestates.count > 0) {
    const { count, starts, ends } = tracestates;
    const sent = Math.min(count, 8);
    question.message('tracestates', 1 + sent);
    question.count('tracestate_count', count);
    for (let i = 0; i < sent; i += 1) question.text('tracestate', data, starts[i], ends[i]);
  }
  if (b3.count + b3TraceId.count + b3Sampled.count + b3Flags.count > 0) {
    question.message('b3', 8);
    last('b3', data, b3, 68);
    question.count('count', b3.count);
    question.count('count', b3TraceId.count);
    question.count('count', b3SpanId.count);
    last('x-b3-traceid', data, b3TraceId, 33);
    last('x-b3-spanid', data, b3SpanId, 17);
    last('x-b3-sampled', data, b3Sampled, 6);
    last('x-b3-flags', data, b3Flags, 2);
  }
  if (jaeger.count > 0) {
    question.message('jaeger', 2);
    last('uber-trace-id', data, jaeger, 96);
    question.count('count', jaeger.count);
  }
  if (xray.count > 0) {
    question.message('xray', 2);
    last('x-amzn-trace-id', data, xray, 513);
    question.count('count', xray.count);
  }
}

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/;
const MEMBER =
  /^[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Checks the variables that the ACK sets. */
function checkAnswer() {
  reader.reset(out.buffer, 4, out.position);
  reader.byte();
  reader.uint32();
  reader.varint();
  reader.varint();
  let [traceparent, tracestate, isHop] = ['', '', false];
  while (reader.remaining > 0) {
    check(reader.byte() === ActionType.SET_VAR, 'an action that sets nothing');
    reader.advance(2, 'its arguments');
    const name = variable();
    check(reader.byte() === DataType.STRING, `${name} is no text`);
    const length = reader.varint();
    const start = reader.advance(length, 'a value');
    if (name === 'hop') isHop = view.read(out.buffer, start, start + length);
    else if (name === 'traceparent') traceparent = out.buffer.latin1Slice(start, start + length);
    else if (name === 'tracestate') tracestate = out.buffer.latin1Slice(start, start + length);
    else check(false, `variable ${name}`);
  }
  check(TRACEPARENT.test(traceparent), `traceparent ${traceparent}`);
  check(isHop, 'no hop');
  check(
    traceparent.startsWith(view.traceId, 3),
    `${traceparent} is not of the hop ${view.traceId}`,
  );
  if (tracestate !== '') checkTracestate(tracestate);
}

function variable() {
  const length = reader.varint();
  const start = reader.advance(length, 'a name');
  return out.buffer.latin1Slice(start, start + length);
}

function checkTracestate(tracestate) {
  check(tracestate.length <= 512, `tracestate of ${tracestate.length} characters`);
  const keys = new Set();
  let count = 0;
  for (const each of tracestate.split(',')) {
    const member = each.trim();
    // Empty members are valid, and are passed on.
    if (member === '') continue;
    count += 1;
    keys.add(member.slice(0, member.indexOf('=')));
    check(MEMBER.test(member), `member ${member}`);
  }
  check(count <= 32, 'more than 32 members');
  check(keys.size === count, `a key twice in ${tracestate}`);
}

export const fuzz = target((data) => {
  ask(data);
  reader.reset(question.bytes, 0, question.length);
  out.clear();
  cursor.open();
  ack.begin(cursor);
  minter.handle(cursor, ack);
  ack.end();
  checkAnswer();
});
