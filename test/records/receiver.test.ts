import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { RecordReceiver } from '../../src/records/receiver.ts';

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A connection of a ring, as the agent has it, over which one line came. */
async function ringConnection(receiver: RecordReceiver): Promise<Socket> {
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
  ring.write('a line\n');
  await once(socket, 'data');
  return socket;
}

/** Timers of the same length that were started together run one behind the other, in one phase of the loop. */
const SILENCE = 50;

test('a ring is left by a reset', async () => {
  const receiver = new RecordReceiver({ onRecord: () => {} });
  const socket = await ringConnection(receiver);
  const reset = vi.spyOn(socket, 'resetAndDestroy');
  await receiver.stop(5_000);
  expect(reset).toHaveBeenCalledOnce();
});

test('a ring whose half-close is just being answered is closed, not reset', async () => {
  const receiver = new RecordReceiver({ onRecord: () => {} });
  const socket = await ringConnection(receiver);
  const reset = vi.spyOn(socket, 'resetAndDestroy').mockImplementation(() => socket.destroy());
  setTimeout(() => socket.end(), SILENCE);
  await receiver.stop(5_000);
  expect(reset).not.toHaveBeenCalled();
  expect(socket.destroyed).toBe(true);
});
