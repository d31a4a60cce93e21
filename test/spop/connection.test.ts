import { type AddressInfo, createServer, Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Connection, type ConnectionEnd, type NotifyHandler } from '../../src/spop/connection.ts';
import { FrameType, Scope, StatusCode } from '../../src/spop/constants.ts';
import { compileSetVar } from '../../src/spop/encode.ts';
import type { Agreement } from '../../src/spop/handshake.ts';
import {
  CAPTURES,
  control,
  type DecodedFrame,
  decodeAgentFrames,
  disconnect,
  boolean as flag,
  frame,
  hello,
  nothing,
  notify,
  text,
  uint32,
} from './frames.ts';

const LIMITS = { maxFrameSize: 16_384, helloTimeout: 60_000, maxUnread: 65_536 };
const SET_NAME = compileSetVar(Scope.TRANSACTION, 'name');

/** Answers each message with its own name in `txn.name`. */
const echoNames: NotifyHandler = (request, ack) => {
  while (request.nextMessage()) {
    ack.setVar(SET_NAME, request.buffer.subarray(request.nameStart, request.nameEnd));
  }
};

test('the NOTIFYs of a chunk are reported together, with the time until all were answered', async () => {
  const [haproxy, agent] = duplexPair();
  const told: [number, number][] = [];
  haproxy.resume();
  new Connection(agent, echoNames, LIMITS, {
    onAnswered: (notifies, milliseconds) => told.push([notifies, milliseconds]),
  });
  const one = notify(1, 1, [['a', []]]);
  // A HELLO by itself is no NOTIFY; half of one is answered with its other half.
  haproxy.write(hello());
  haproxy.write(Buffer.concat([one, one, one.subarray(0, 9)]));
  haproxy.write(Buffer.concat([one.subarray(9), one]));
  await new Promise((resolve) => setImmediate(resolve));
  expect(told.map(([notifies]) => notifies)).toEqual([2, 2]);
  for (const [, milliseconds] of told) expect(milliseconds).toBeGreaterThan(0);
  haproxy.destroy();
});

type Peer = {
  readonly stream: Duplex;
  readonly connection: Connection;
  /** Each write of the agent. */
  readonly writes: Buffer[];
  readonly ends: ConnectionEnd[];
  readonly agreements: Agreement[];
  frames(): DecodedFrame[];
  closed: Promise<void>;
};

function connect(handler: NotifyHandler = echoNames, limits = LIMITS): Peer {
  const [haproxy, agent] = duplexPair();
  const writes: Buffer[] = [];
  const ends: ConnectionEnd[] = [];
  const agreements: Agreement[] = [];
  haproxy.on('data', (chunk: Buffer) => writes.push(Buffer.from(chunk)));
  const closed = new Promise<void>((resolve) => haproxy.once('end', resolve));
  const connection = new Connection(agent, handler, limits, {
    onHello: (agreement) => agreements.push(agreement),
    onEnd: (end) => ends.push(end),
  });
  return {
    stream: haproxy,
    connection,
    writes,
    ends,
    agreements,
    closed,
    frames: () => decodeAgentFrames(Buffer.concat(writes)),
  };
}

/** Lets what was written arrive. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('handshake', () => {
  test('version, the smaller frame size and pipelining are agreed in one write', async () => {
    const peer = connect();
    peer.stream.write(hello());
    await settle();
    expect(peer.writes).toHaveLength(1);
    expect(peer.frames()).toMatchObject([
      {
        type: FrameType.AGENT_HELLO,
        flags: 1,
        streamId: 0,
        frameId: 0,
        items: { version: '2.0', 'max-frame-size': 16_380, capabilities: 'pipelining' },
      },
    ]);
  });

  test('a larger offer is answered with the own limit', async () => {
    const peer = connect();
    peer.stream.write(hello({ 'max-frame-size': uint32(1_000_000) }));
    await settle();
    expect(peer.frames()[0]?.items['max-frame-size']).toBe(16_384);
  });

  test('pipelining is offered only to who has it; async and fragmentation never', async () => {
    const peer = connect();
    peer.stream.write(hello({ capabilities: text('async, fragmentation') }));
    await settle();
    expect(peer.frames()[0]?.items.capabilities).toBe('');
  });

  test('the engine id is known', async () => {
    const peer = connect();
    peer.stream.write(hello({ 'engine-id': text('an-engine') }));
    await settle();
    expect(peer.agreements).toMatchObject([{ engineId: 'an-engine', pipelining: true }]);
  });

  test('a health check is answered and closed', async () => {
    const peer = connect();
    peer.stream.write(hello({ healthcheck: flag(true), capabilities: text('') }));
    await peer.closed;
    expect(peer.frames().map(({ type }) => type)).toEqual([FrameType.AGENT_HELLO]);
    expect(peer.ends).toEqual([{ reason: 'healthcheck' }]);
  });

  test.each([
    ['no version', hello({ 'supported-versions': undefined }), StatusCode.NO_VERSION],
    ['no frame size', hello({ 'max-frame-size': undefined }), StatusCode.NO_MAX_FRAME_SIZE],
    ['no capabilities', hello({ capabilities: undefined }), StatusCode.NO_CAPABILITIES],
    [
      'an old version',
      hello({ 'supported-versions': text('1.0') }),
      StatusCode.UNSUPPORTED_VERSION,
    ],
    ['a small frame size', hello({ 'max-frame-size': uint32(255) }), StatusCode.BAD_MAX_FRAME_SIZE],
    ['NOTIFY first', notify(1, 1, []), StatusCode.INVALID_FRAME],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), StatusCode.FRAME_TOO_BIG],
    ['no FIN', frame(FrameType.HAPROXY_HELLO, 0, 0, 0), StatusCode.FRAGMENTATION_NOT_SUPPORTED],
  ])('%s gets a DISCONNECT with its status', async (_name, bytes, status) => {
    const peer = connect();
    peer.stream.write(bytes);
    await peer.closed;
    const [answer, ...rest] = peer.frames();
    expect(rest).toEqual([]);
    expect(answer).toMatchObject({
      type: FrameType.AGENT_DISCONNECT,
      items: { 'status-code': status },
    });
    expect(peer.ends).toMatchObject([{ reason: 'protocol', status }]);
  });

  test('a peer that sends nothing is disconnected in time', async () => {
    const peer = connect(echoNames, { ...LIMITS, helloTimeout: 10 });
    await peer.closed;
    expect(peer.frames()).toMatchObject([{ items: { 'status-code': StatusCode.TIMEOUT } }]);
  });

  test('a HELLO that came in time is read by a process that was held up meanwhile', async () => {
    const ends: ConnectionEnd[] = [];
    const agreed = await new Promise<boolean>((resolve) => {
      const server = createServer((socket) => {
        server.close();
        new Connection(
          socket,
          echoNames,
          { ...LIMITS, helloTimeout: 20 },
          {
            onHello: () => resolve(true),
            onEnd: (end) => {
              ends.push(end);
              resolve(false);
              haproxy.destroy();
            },
          },
        );
        haproxy.write(hello());
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
      }).listen(0, '127.0.0.1');
      const haproxy = new Socket();
      server.once('listening', () =>
        haproxy.connect((server.address() as AddressInfo).port, '127.0.0.1'),
      );
      haproxy.once('data', () => haproxy.destroy());
    });
    expect([agreed, ends]).toEqual([true, []]);
  });
});

describe('NOTIFY', () => {
  test('all that come in one chunk are acknowledged in order, in one write', async () => {
    const peer = connect();
    peer.stream.write(hello());
    await settle();
    peer.writes.length = 0;
    const requests = [1, 2, 3].map((id) => notify(id, 10 + id, [[`message-${id}`, []]]));
    peer.stream.write(Buffer.concat(requests));
    await settle();
    expect(peer.writes).toHaveLength(1);
    expect(peer.frames()).toEqual(
      [1, 2, 3].map((id) => ({
        type: FrameType.ACK,
        flags: 1,
        streamId: id,
        frameId: 10 + id,
        items: {},
        actions: [{ scope: Scope.TRANSACTION, name: 'name', value: `message-${id}` }],
      })),
    );
  });

  test('byte by byte returns the same bytes as at once', async () => {
    const all = Buffer.concat([
      hello(),
      notify(1, 1, [['a', [['x', text('1')]]]]),
      notify(2 ** 32 - 1, 2 ** 40, [
        ['b', []],
        ['c', [['y', nothing]]],
      ]),
      disconnect(0, 'normal'),
    ]);
    const whole = connect();
    whole.stream.write(all);
    await whole.closed;
    const pieces = connect();
    for (const byte of all) {
      pieces.stream.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await pieces.closed;
    expect(Buffer.concat(pieces.writes)).toEqual(Buffer.concat(whole.writes));
    expect(whole.frames()).toHaveLength(4);
  });

  test.each([
    ['without messages', notify(1, 2, [])],
    ['with a message nobody knows', notify(1, 2, [['unknown', [['x', text('y')]]]])],
  ])('one %s is acknowledged, never with an empty ACK', async (_name, request) => {
    const peer = connect(() => {});
    peer.stream.write(Buffer.concat([hello(), request]));
    await settle();
    const ack = peer.frames()[1];
    expect(ack).toMatchObject({ type: FrameType.ACK, streamId: 1, frameId: 2 });
    expect(ack?.actions).toHaveLength(1);
  });

  test('the frames of a real HAProxy are acknowledged', async () => {
    for (const capture of Object.values(CAPTURES)) {
      const peer = connect();
      peer.stream.write(Buffer.from(capture.hello + capture.notify, 'hex'));
      await settle();
      expect(peer.frames()[1]?.actions.map(({ value }) => value)).toEqual(['all', 'none', 'mint']);
    }
  });

  test('larger than agreed, but within the hard cap, is answered', async () => {
    const peer = connect();
    peer.stream.write(hello({ 'max-frame-size': uint32(256) }));
    peer.stream.write(notify(1, 1, [['m', [['big', text('x'.repeat(8000))]]]]));
    await settle();
    expect(peer.frames()[1]?.type).toBe(FrameType.ACK);
  });

  test('one that was aborted is not answered, an unknown frame type is passed over', async () => {
    const peer = connect();
    peer.stream.write(
      Buffer.concat([hello(), frame(FrameType.NOTIFY, 3, 1, 1), control(77, []), notify(5, 5, [])]),
    );
    await settle();
    expect(peer.frames().map(({ streamId }) => streamId)).toEqual([0, 5]);
  });

  test('a malformed one is disconnected; what came before it is answered', async () => {
    const peer = connect();
    const bad = notify(2, 2, [['m', [['x', text('abc')]]]]);
    bad[bad.length - 4] = 100;
    peer.stream.write(
      Buffer.concat([hello(), notify(1, 1, [['good', []]]), bad, notify(3, 3, [])]),
    );
    await peer.closed;
    expect(peer.frames().map(({ type }) => type)).toEqual([
      FrameType.AGENT_HELLO,
      FrameType.ACK,
      FrameType.AGENT_DISCONNECT,
    ]);
    expect(peer.frames()[2]?.items['status-code']).toBe(StatusCode.INVALID_FRAME);
  });
});

test('a second HELLO is an invalid frame', async () => {
  const peer = connect();
  peer.stream.write(Buffer.concat([hello(), hello()]));
  await peer.closed;
  expect(peer.frames()[1]?.items['status-code']).toBe(StatusCode.INVALID_FRAME);
});

test("HAProxy's DISCONNECT is answered with one and a close", async () => {
  const peer = connect();
  peer.stream.write(Buffer.concat([hello(), disconnect(2, 'a timeout occurred')]));
  await peer.closed;
  expect(peer.frames()[1]).toMatchObject({
    type: FrameType.AGENT_DISCONNECT,
    items: { 'status-code': StatusCode.NORMAL },
  });
  expect(peer.ends).toEqual([
    { reason: 'disconnected', status: 2, message: 'a timeout occurred', idle: expect.any(Number) },
  ]);
});

test('stop answers what was read, then disconnects with status 0', async () => {
  const peer = connect();
  peer.stream.write(Buffer.concat([hello(), notify(1, 1, [['m', []]])]));
  await settle();
  peer.connection.stop();
  await peer.closed;
  expect(peer.frames().map(({ type }) => type)).toEqual([
    FrameType.AGENT_HELLO,
    FrameType.ACK,
    FrameType.AGENT_DISCONNECT,
  ]);
});

test('a peer that does not read its answers is closed, not buffered for', async () => {
  const [haproxy, agent] = duplexPair();
  const ends: ConnectionEnd[] = [];
  new Connection(agent, echoNames, LIMITS, { onEnd: (end) => ends.push(end) });
  haproxy.pause();
  haproxy.write(hello());
  const request = notify(1, 1, [['m'.repeat(200), []]]);
  let written = 0;
  while (!agent.destroyed && written < 10_000) {
    haproxy.write(request);
    written += 1;
    if (written % 50 === 0) await settle();
  }
  expect(ends).toMatchObject([{ reason: 'unread' }]);
  expect(agent.writableLength).toBeLessThan(LIMITS.maxUnread + 4096);
});
