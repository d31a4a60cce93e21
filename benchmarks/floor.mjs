// What floor.c does, in Node.js: what of an agent's price is Node's own.
//
//     node benchmarks/floor.mjs PORT
import { createServer } from 'node:net';

const HAPROXY_HELLO = 1;
const HAPROXY_DISCONNECT = 2;
const NOTIFY = 3;
const AGENT_HELLO = 101;
const AGENT_DISCONNECT = 102;
const ACK = 103;
const LENGTH_BYTES = 4;
/** Length, type and flags. */
const HEAD_BYTES = 9;
/** Stream and frame. */
const NO_IDS = Buffer.alloc(2);
const NOTHING = Buffer.alloc(0);
/** Longer than all answers to what one read returns, 64 KiB of questions. */
const OUT_BYTES = 1 << 20;

const text = (value) => Buffer.from([value.length, ...Buffer.from(value)]);
const STRING = Buffer.from([8]);
const SET_TRANSACTION_VARIABLE = Buffer.from([1, 3, 2]);

const HELLO = Buffer.concat([
  ...[text('version'), STRING, text('2.0')],
  // A UINT32: 16380 as a varint.
  ...[text('max-frame-size'), Buffer.from([3, 0xfc, 0xf0, 6])],
  ...[text('capabilities'), STRING, text('pipelining')],
]);
const GOODBYE = Buffer.concat([
  ...[text('status-code'), Buffer.from([3, 0])],
  ...[text('message'), STRING, text('bye')],
]);
const HOP = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02-00f067aa0ba902b7';
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-02';
const ACTIONS = Buffer.concat([
  ...[SET_TRANSACTION_VARIABLE, text('hop'), STRING, text(HOP)],
  ...[SET_TRANSACTION_VARIABLE, text('traceparent'), STRING, text(TRACEPARENT)],
]);

const out = Buffer.alloc(OUT_BYTES);
let length = 0;

/** `ids` are the bytes of `source` from `start` to `end`. */
function frame(type, source, start, end, payload) {
  const size = HEAD_BYTES + end - start + payload.length;
  out.writeUInt32BE(size - LENGTH_BYTES, length);
  out[length + LENGTH_BYTES] = type;
  // The last fragment of its frame.
  out.writeUInt32BE(1, length + LENGTH_BYTES + 1);
  source.copy(out, length + HEAD_BYTES, start, end);
  payload.copy(out, length + size - payload.length);
  length += size;
}

/** Where the variable-length integer at `at` ends. */
function endOfVarint(buffer, at) {
  if (buffer[at] < 240) return at + 1;
  let end = at + 1;
  while (buffer[end] >= 128) end += 1;
  return end + 1;
}

function answer(buffer, start) {
  const ids = start + HEAD_BYTES;
  switch (buffer[start + LENGTH_BYTES]) {
    case HAPROXY_HELLO:
      frame(AGENT_HELLO, NO_IDS, 0, NO_IDS.length, HELLO);
      break;
    case NOTIFY:
      frame(ACK, buffer, ids, endOfVarint(buffer, endOfVarint(buffer, ids)), ACTIONS);
      break;
    case HAPROXY_DISCONNECT:
      frame(AGENT_DISCONNECT, NO_IDS, 0, NO_IDS.length, GOODBYE);
      break;
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest = NOTHING;
  socket.on('data', (chunk) => {
    const buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    while (buffer.length - start >= LENGTH_BYTES) {
      const end = start + LENGTH_BYTES + buffer.readUInt32BE(start);
      if (end > buffer.length) break;
      answer(buffer, start);
      start = end;
    }
    rest = buffer.subarray(start);
    if (length > 0) socket.write(Buffer.from(out.subarray(0, length)));
    length = 0;
  });
  socket.on('error', () => socket.destroy());
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
