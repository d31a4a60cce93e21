// What HAProxy sends, as it comes from the shipped files: NOTIFY frames and log lines.
import { DataType, FrameType } from '../dist/spop/constants.js';
import { Writer } from '../dist/spop/writer.js';

const FIN = 1;
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';

const text = (value) => ({ type: DataType.STRING, value });
const count = (value) => ({ type: DataType.UINT32, value });
const NOTHING = { type: DataType.NULL };

/** A request that brings no context: most of them. */
export const PLAIN = [
  [
    'mint',
    [
      ['traceparent', NOTHING],
      ['traceparent_count', count(0)],
      ['trust', text('restart')],
      ['ratio', NOTHING],
    ],
  ],
];

/** One of a caller that has a trace, with a tracestate: 13 arguments. */
export const WITH_CONTEXT = [
  [
    'mint',
    [
      ['traceparent', text(`00-${TRACE_ID}-${PARENT_ID}-01`)],
      ['traceparent_count', count(1)],
      ['trust', text('continue')],
      ['ratio', NOTHING],
    ],
  ],
  [
    'tracestates',
    [
      ['tracestate_count', count(1)],
      ['tracestate', text('rojo=00f067aa0ba902b7,congo=t61rcWkgMzE')],
      ...Array.from({ length: 7 }, () => ['tracestate', NOTHING]),
    ],
  ],
];

/** One frame, its length in front. */
export function frame(type, streamId, frameId, write) {
  const out = new Writer();
  out.beginFrame();
  out.byte(type);
  out.uint32(FIN);
  out.varint(streamId);
  out.varint(frameId);
  write(out);
  out.endFrame();
  return Buffer.from(out.bytes());
}

export function notify(streamId, frameId, messages) {
  return frame(FrameType.NOTIFY, streamId, frameId, (out) => {
    for (const [name, args] of messages) {
      out.string(name);
      out.byte(args.length);
      for (const [argument, value] of args) {
        out.string(argument);
        out.typedData(value);
      }
    }
  });
}

export const HELLO = frame(FrameType.HAPROXY_HELLO, 0, 0, (out) => {
  out.string('supported-versions');
  out.typedData({ type: DataType.STRING, value: '2.0' });
  out.string('max-frame-size');
  out.typedData({ type: DataType.UINT32, value: 16_380 });
  out.string('capabilities');
  out.typedData({ type: DataType.STRING, value: 'pipelining' });
});

/** The line of one request, of as many different ones as there are numbers. */
export function recordLine(number, flags = '03') {
  const id = number.toString(16).padStart(16, '0');
  const hop = `${TRACE_ID.slice(0, 16)}${id}-${id}-${flags}-f${id.slice(1)}`;
  const end = 1_795_418_260_853_713 + number * 137;
  return (
    `{"hop":"${hop}","trace_id":"${hop.slice(0, 32)}","span_id":"${id}","stopping":0,` +
    '"status":200,"termination_state":"----","retries":"0","frontend":"www","backend":"app","server":"app1",' +
    `"start":0,"end":${end},"accepted":${Math.floor(end / 1000)},"received":${end - 900},"answered":${end - 700},` +
    `"Th":0,"Ti":0,"TR":0,"Tw":0,"Tc":0,"Tr":1,"Td":0,"client_address":"127.0.0.1","client_port":"${20_000 + (number % 32)}",` +
    '"server_address":"127.0.0.1","server_port":"8090","server_tls":"-","bytes_uploaded":97,"bytes_read":103,' +
    '"method":"GET","protocol":"HTTP/1.1","protocol_major":1,"route":"-","host":"shop.example",' +
    `"request_id":"-","tracestate":"-","pathq":"/orders/${number}?user=7","user_agent":"wrk/4.1","attributes":{}}`
  );
}

/** A ring's bytes: lines with their length in front, and how many. */
export function chunkOfRecords(lines, flags) {
  const records = Array.from({ length: lines }, (_, number) => recordLine(number, flags));
  return Buffer.from(records.map((line) => `${line.length} ${line}`).join(''));
}
