import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { RecordReceiver } from '../../src/records/receiver.ts';

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Both ends of a connection of a ring; nothing came over it yet. */
async function ringConnection(receiver: RecordReceiver): Promise<{ ring: Socket; socket: Socket }> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const ring = connect((server.address() as AddressInfo).port, '127.0.0.1');
  ring.on('error', () => {});
  cleanups.push(() => {
    ring.destroy();
    server.close();
  });
  const [socket] = (await once(server, 'connection')) as [Socket];
  receiver.accept(socket);
  return { ring, socket };
}

async function withLine(receiver: RecordReceiver): Promise<Socket> {
  const { ring, socket } = await ringConnection(receiver);
  ring.write('a line\n');
  await once(socket, 'data');
  return socket;
}

/** After which a ring is left, in milliseconds. */
const SILENCE = 50;

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
  socket.end();
  // Before the event loop gets to the half-close.
  vi.advanceTimersByTime(SILENCE);
  await stopped;
  expect(reset).not.toHaveBeenCalled();
  expect(socket.destroyed).toBe(true);
});

test('a ring whose first record comes when it is being left is left in the way of its framing', async () => {
  const lines: string[] = [];
  const receiver = new RecordReceiver({
    onRecord: (buffer, start, end) => lines.push(buffer.toString('latin1', start, end)),
  });
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
