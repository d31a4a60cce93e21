// An OTLP/gRPC receiver in a process of its own, that does no more than count: hops are SERVER spans.
import { OtlpReceiver, OtlpSpanKind } from '../dist/demo/otlp-receiver.js';

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

const receiver = await OtlpReceiver.start({
  onRequest: (request) => {
    position = 0;
    count(request, request.length, 0);
  },
});
process.on('message', () => process.send({ spans, hops, calls: receiver.calls }));
process.on('disconnect', () => process.exit());
process.send({ endpoint: receiver.endpoint });
