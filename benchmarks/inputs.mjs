// What HAProxy sends: NOTIFY frames, and log lines with records.
import { recordText } from '../dist/records/format.js';
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

const RECORD = {
  stopping: 0,
  reported: 0,
  status: 200,
  termination_state: '----',
  retries: 0,
  Th: 0,
  Ti: 0,
  TR: 0,
  Tw: 0,
  Tc: 0,
  Tr: 1,
  Td: 0,
  frontend: 'www',
  backend: 'app',
  server: 'app1',
  client_address: '127.0.0.1',
  server_address: '127.0.0.1',
  server_port: 8090,
  bytes_uploaded: 97,
  bytes_read: 103,
  protocol: '1.1',
  method: 'GET',
  host: 'shop.example',
  user_agent: 'wrk/4.1',
  route: '-',
  request_id: '-',
  tracestate: '-',
};

/** The line of one request, of as many different ones as there are numbers. */
export function recordLine(number, flags = '03', changes = {}) {
  const id = number.toString(16).padStart(16, '0');
  const hop = `${TRACE_ID.slice(0, 16)}${id}-${id}-${flags}-f${id.slice(1)}`;
  const end = 1_795_418_260_853_713 + number * 137;
  const values = {
    ...RECORD,
    hop,
    accepted: Math.floor(end / 1000),
    received: end - 900,
    answered: end - 700,
    client_port: 20_000 + (number % 32),
    target: `/orders/${number}?user=7`,
    ...changes,
  };
  const time = new Date(Math.floor(end / 1_000_000) * 1000).toISOString().slice(0, 19);
  const record = recordText('http', ({ name }) => values[name]);
  return (
    `<134>1 ${time}.${end % 1_000_000}+00:00 - haproxy 1234 - ${record} ` +
    '127.0.0.1:20000 [23/Nov/2026:12:00:00.000] www app/app1 0/0/0/1/1 200 103 - - ---- 1/1/0/0/0 0/0 ' +
    `"GET /orders/${number}?user=7 HTTP/1.1"`
  );
}

/** A ring's bytes: lines with their length in front, and how many. */
export function chunkOfRecords(lines, flags) {
  const records = Array.from({ length: lines }, (_, number) => recordLine(number, flags));
  return Buffer.from(records.map((line) => `${line.length} ${line}`).join(''));
}
