// Headers of a client: whatever they are, what the agent passes on is valid.

import { notify } from '../../benchmarks/inputs.mjs';
import { HopView } from '../../dist/context/hop-view.js';
import { Minter } from '../../dist/context/mint.js';
import { Sampler } from '../../dist/context/sampling.js';
import { DataType } from '../../dist/spop/constants.js';
import { NotifyReader, readFrameHead } from '../../dist/spop/decode.js';
import { AckWriter } from '../../dist/spop/encode.js';
import { Reader } from '../../dist/spop/reader.js';
import { Writer } from '../../dist/spop/writer.js';
import { check } from './checks.mjs';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
/** A header and its value to a line, and in front who is trusted and how much is kept. */
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
export const seeds = [
  `continue 1\n0 00-${TRACE}-${SPAN}-01\n1 rojo=00f067aa0ba902b7, congo=t61rcWkgMzE\n1 ot=th:c;rv:12345678901234`,
  `continue 0.25\n2 ${TRACE}-${SPAN}-1-${SPAN}`,
  `continue 0.000001\n3 ${TRACE}\n4 ${SPAN}\n5 1\n6 1`,
  `continue 0\n7 ${TRACE}:${SPAN}:0:3`,
  `continue 1\n8 Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=${SPAN};Sampled=1`,
  `restart 0.5\n0 00-${TRACE}-${SPAN}-00`,
].map((text) => Buffer.from(text));

const sampler = new Sampler({ name: 'parentbased_traceidratio', ratio: 0.5 });
const minter = new Minter(sampler, { propagators: ['tracecontext', 'b3', 'jaeger', 'xray'] });
const reader = new Reader();
const cursor = new NotifyReader(reader);
const out = new Writer();
const ack = new AckWriter(out);
const view = new HopView();

const text = (value) => ({ type: DataType.STRING, value });
const argumentsOf = (headers, names) =>
  names.flatMap((name) => headers.filter(([each]) => each === name)).map(([n, v]) => [n, text(v)]);
const count = (headers, names) =>
  names.map((name) => ({
    type: DataType.UINT32,
    value: headers.filter(([each]) => each === name).length,
  }));

/** The NOTIFY that spoe/otel.conf makes of them. */
function question(trust, ratio, headers) {
  const b3 = HEADERS.slice(2, 7);
  const [traceparents, tracestates] = count(headers, ['traceparent', 'tracestate']);
  return notify(1, 1, [
    [
      'mint',
      [
        ...argumentsOf(headers, ['traceparent']).slice(-1),
        ['traceparent_count', traceparents],
        ['trust', text(trust)],
        ['ratio', text(ratio)],
      ],
    ],
    [
      'tracestates',
      [['tracestate_count', tracestates], ...argumentsOf(headers, ['tracestate']).slice(0, 8)],
    ],
    ['b3', [...argumentsOf(headers, b3), ...count(headers, b3).map((each) => ['count', each])]],
    ['jaeger', argumentsOf(headers, ['uber-trace-id'])],
    ['xray', argumentsOf(headers, ['x-amzn-trace-id'])],
  ]);
}

/** Variables that the ACK sets. */
function answers(frame) {
  const bytes = frame.subarray(4);
  reader.reset(bytes, 0, bytes.length);
  readFrameHead(reader);
  out.clear();
  cursor.open();
  ack.begin(cursor);
  minter.handle(cursor, ack);
  ack.end();
  const answer = Buffer.from(out.bytes());
  reader.reset(answer, 4, answer.length);
  reader.byte();
  reader.uint32();
  reader.varint();
  reader.varint();
  const variables = {};
  while (reader.remaining > 0) {
    const action = reader.byte();
    reader.byte();
    reader.byte();
    const name = reader.string();
    variables[name] = action === 1 ? reader.typedData().value : undefined;
  }
  return variables;
}

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/;
const MEMBER =
  /^[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

export function fuzz(data) {
  const [first = '', ...lines] = data.toString('latin1').split('\n');
  const [trust = '', ratio = ''] = first.split(' ');
  const headers = lines.slice(0, 40).map((line) => {
    const name = HEADERS[line.charCodeAt(0) % HEADERS.length] ?? 'traceparent';
    return [name, line.slice(2)];
  });
  const { traceparent, tracestate, hop } = answers(question(trust, ratio, headers));
  check(TRACEPARENT.test(traceparent), `traceparent ${traceparent}`);
  const bytes = Buffer.from(hop);
  check(view.read(bytes, 0, bytes.length), `hop ${hop}`);
  check(traceparent.includes(view.traceId), `${traceparent} is not of ${hop}`);
  if (!tracestate) return;
  // Empty members are valid, and are passed on.
  const members = tracestate
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
  check(members.length <= 32, 'more than 32 members');
  const keys = members.map((member) => member.slice(0, member.indexOf('=')));
  check(new Set(keys).size === keys.length, `a key twice in ${tracestate}`);
  for (const member of members) check(MEMBER.test(member), `member ${member}`);
  check(tracestate.length <= 512, `tracestate of ${tracestate.length} characters`);
}
