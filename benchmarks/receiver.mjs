// An OTLP/gRPC receiver in a process of its own, that does no more than count: hops are SERVER spans.
import { createServer } from 'node:http2';
import { OtlpSpanKind } from '../dist/demo/otlp-receiver.js';

// Field numbers of trace.proto, as tag bytes; `resource_spans` and `scope_spans` hold what comes next.
const NESTED = [0x0a, 0x12, 0x12];
const KIND = 0x30;
const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_LENGTH = 2;

let position = 0;
let spans = 0;
let hops = 0;

function varint(bytes) {
  let value = 0;
  let factor = 1;
  for (;;) {
    const byte = bytes[position];
    position += 1;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
}

function count(bytes, end, depth) {
  while (position < end) {
    const tag = varint(bytes);
    if (depth === NESTED.length && tag === KIND) {
      spans += 1;
      if (varint(bytes) === OtlpSpanKind.SERVER) hops += 1;
      position = end;
      return;
    }
    switch (tag & 7) {
      case WIRE_VARINT:
        varint(bytes);
        break;
      case WIRE_FIXED64:
        position += 8;
        break;
      case WIRE_LENGTH: {
        const length = varint(bytes);
        if (tag === NESTED[depth]) count(bytes, position + length, depth + 1);
        else position += length;
        break;
      }
      default:
        position += 4;
    }
  }
}

// A window as large as a Collector's grows to by itself; node:http2's own is the smallest there is.
const WINDOW = 4 * 1024 * 1024;
const MESSAGE_HEAD = 5;

const server = createServer({ settings: { initialWindowSize: WINDOW } });
server.on('session', (session) => {
  session.on('error', () => {});
  session.setLocalWindowSize(WINDOW);
});
server.on('stream', (stream, { ':path': path }) => {
  const chunks = [];
  // An agent that is late leaves connections: it sends again what was on them.
  stream.on('error', () => {});
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => {
    if (stream.destroyed) return;
    const request = Buffer.concat(chunks);
    position = MESSAGE_HEAD;
    if (path.includes('TraceService')) count(request, request.length, 0);
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(MESSAGE_HEAD));
  });
});
process.on('message', () => process.send({ spans, hops }));
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => {
  process.send({ endpoint: `http://127.0.0.1:${server.address().port}` });
});
