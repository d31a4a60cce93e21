import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { Logger } from '../../src/log.ts';
import { readInPlace } from '../../src/read-in-place.ts';
import { RecordReceiver } from '../../src/records/receiver.ts';
import { createPeerLog } from '../../src/telemetry/episodes.ts';
import { until } from '../agent-process.ts';

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A receiver that lists what it gets. */
function listing(): { receiver: RecordReceiver; lines: string[] } {
  const lines: string[] = [];
  const receiver = new RecordReceiver({
    onRecord: (buffer, start, end) => lines.push(buffer.toString('latin1', start, end)),
  });
  return { receiver, lines };
}

/** Both ends of a connection of a ring; nothing came over it yet. */
async function ringConnection(
  receiver: RecordReceiver,
  allowHalfOpen = false,
  raw = (socket: Socket): Socket => socket,
): Promise<{ ring: Socket; socket: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const ring = connect({ port, host: '127.0.0.1', allowHalfOpen });
  ring.on('error', () => {});
  cleanups.push(() => {
    ring.destroy();
    server.close();
  });
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const socket = readInPlace(accepted);
  receiver.accept(socket, undefined, raw(socket));
  return { ring, socket };
}

async function withLine(receiver: RecordReceiver): Promise<Socket> {
  const { ring, socket } = await ringConnection(receiver);
  ring.write('a line\n');
  await once(socket, 'data');
  return socket;
}

/** After which a ring is left, in milliseconds. */
const IDLE_TIME = 50;

test('a ring is left by a reset', async () => {
  const receiver = new RecordReceiver({ onRecord: () => {} });
  const socket = await withLine(receiver);
  const reset = vi.spyOn(socket, 'resetAndDestroy');
  await receiver.stop(5_000);
  expect(reset).toHaveBeenCalledOnce();
});

test('a ring whose half-close is just being answered is closed, not reset', async () => {
  const receiver = new RecordReceiver({ onRecord: () => {} });
  const socket = await withLine(receiver);
  const reset = vi.spyOn(socket, 'resetAndDestroy').mockImplementation(() => socket.destroy());
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  cleanups.push(() => vi.useRealTimers());
  const stopped = receiver.stop(5_000);
  // Just before the ring would be reset, and before the event loop gets to the half-close.
  setImmediate(() => socket.end());
  vi.advanceTimersByTime(IDLE_TIME);
  await stopped;
  expect(reset).not.toHaveBeenCalled();
  expect(socket.destroyed).toBe(true);
});

test('a ring whose first record comes when it is being left is left in the way of its framing', async () => {
  const { receiver, lines } = listing();
  const { ring, socket } = await ringConnection(receiver);
  const reset = vi.spyOn(socket, 'resetAndDestroy');
  const stopped = receiver.stop(5_000);
  ring.write('6 a line');
  ring.resume();
  await once(ring, 'end');
  await stopped;
  expect(lines).toEqual(['a line']);
  expect(reset).not.toHaveBeenCalled();
});

test('a HAProxy that is held up has its time to answer a half-close: what it writes until then is read', async () => {
  const { receiver, lines } = listing();
  const { ring, socket } = await ringConnection(receiver, true);
  ring.write('6 a line');
  await once(socket, 'data');
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  cleanups.push(() => vi.useRealTimers());
  const stopped = receiver.stop(5_000);
  await once(ring.resume(), 'end');
  vi.advanceTimersByTime(3_000);
  ring.end('6 b line');
  await stopped;
  expect(lines).toEqual(['a line', 'b line']);
});

test('a record that came while the process was held up is read before its ring is left', async () => {
  const { receiver, lines } = listing();
  const { ring, socket } = await ringConnection(receiver);
  ring.write('first\n');
  await once(socket, 'data');
  const stopped = receiver.stop(5_000);
  await new Promise((resolve) => ring.write('second\n', resolve));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * IDLE_TIME);
  await stopped;
  expect(lines).toEqual(['first', 'second']);
});

test('what waits in the kernel behind a record is read before its ring is left', async () => {
  const { receiver, lines } = listing();
  const { ring, socket } = await ringConnection(receiver);
  ring.write('first\n');
  await once(socket, 'data');
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  cleanups.push(() => vi.useRealTimers());
  const stopped = receiver.stop(5_000);
  const from = performance.now();
  while (performance.now() < from + IDLE_TIME) await new Promise(setImmediate);
  ring.write('second\n');
  await once(socket, 'data');
  // Within the same poll of the event loop: it is for the next one.
  ring.write('third\n');
  await stopped;
  expect(lines).toEqual(['first', 'second', 'third']);
});

/** A receiver that lists what it gets, and a ring that writes to it over a connection as the agent makes them. */
async function listingRing(): Promise<{
  receiver: RecordReceiver;
  ring: Socket;
  lines: string[];
  socket: Socket;
  reads: () => number;
}> {
  const { receiver, lines } = listing();
  const server = createServer({ pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const ring = connect((server.address() as AddressInfo).port, '127.0.0.1').setNoDelay(true);
  ring.on('error', () => {});
  cleanups.push(() => {
    ring.destroy();
    server.close();
  });
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const socket = readInPlace(accepted);
  let reads = 0;
  receiver.accept(socket);
  socket.on('data', () => (reads += 1));
  socket.resume();
  return { receiver, ring, lines, socket, reads: () => reads };
}

const RECORDS = 60;

test('records that come one by one are read many at a time', async () => {
  const { receiver, ring, lines, reads } = await listingRing();
  const started = performance.now();
  for (let i = 0; i < RECORDS; i += 1) {
    ring.write(`line ${i}\n`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await until('all records', () => lines.length >= RECORDS);
  expect(lines).toEqual(Array.from({ length: RECORDS }, (_, i) => `line ${i}`));
  // What came in a pause of 40 ms: on a machine that is not busy a few times in all.
  expect(reads()).toBeLessThan((performance.now() - started) / 39 + 3);
  await receiver.stop(5_000);
});

test.each([
  ['a connection', (socket: Socket) => socket, true],
  ['one of TLS, each record of which is a chunk', () => new Socket(), false],
])('%s is read in pauses, or not', async (_, raw, expected) => {
  const onRecord = vi.fn();
  const { ring, socket } = await ringConnection(new RecordReceiver({ onRecord }), false, raw);
  ring.write('a line\n');
  await until('the line', () => onRecord.mock.calls.length === 1);
  expect(socket.isPaused()).toBe(expected);
});

test.each([
  ['lines', (text: string) => `${text}\n`],
  ['octet-counted records', (text: string) => `${text.length} ${text}`],
])('%s that came between two reads are there when the ring is left', async (_, framed) => {
  const { receiver, ring, lines } = await listingRing();
  ring.write(framed('first'));
  await until('the first', () => lines.length === 1);
  ring.write(framed('second'));
  await until('the second', () => lines.length === 2);
  const written = Array.from({ length: 2_000 }, (_, i) => `${'a long line '.repeat(40)}${i}`);
  await new Promise<unknown>((resolve) => ring.write(written.map(framed).join(''), resolve));
  await receiver.stop(5_000);
  expect(lines).toEqual(['first', 'second', ...written]);
});

test('those that only have connections keep no ring out', async () => {
  const warn = vi.fn();
  const onClosed = createPeerLog({ warn } as unknown as Logger, 'closed');
  const receiver = new RecordReceiver({ onRecord: () => {}, onClosed }, undefined, 2);
  const writing = await withLine(receiver);
  const { socket: silent } = await ringConnection(receiver);
  const peer = `127.0.0.1:${silent.remotePort}`;
  const { socket: another } = await ringConnection(receiver);
  const added = await withLine(receiver);
  const sockets = [writing, silent, another, added];
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, true, true, false]);
  // The first is logged at once, of more only their number after a minute.
  const reason = 'the least used of more than 2 connections';
  expect(warn.mock.calls).toEqual([[{ peer, reason }, 'connection for records closed']]);
});
