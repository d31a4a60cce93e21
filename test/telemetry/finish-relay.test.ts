import { expect, test } from 'vitest';
import { FinishRelay, splitRelayed } from '../../src/telemetry/finish-relay.ts';

const MEGABYTE = Buffer.alloc(1024 * 1024);

test('messages of one turn travel together, and come apart again', async () => {
  const posted: Uint8Array<ArrayBuffer>[] = [];
  const relay = new FinishRelay(
    (bytes) => posted.push(bytes),
    () => {},
  );
  const buffer = Buffer.from('<one><two>');
  relay.add(buffer, 1, 4);
  relay.add(buffer, 6, 9);
  relay.add(buffer, 0, 0);
  buffer.fill('x');
  await new Promise((resolve) => setImmediate(resolve));
  expect(posted).toHaveLength(1);
  const messages: string[] = [];
  for (const bytes of posted) {
    splitRelayed(bytes, (from, start, end) => messages.push(from.toString('utf8', start, end)));
  }
  expect(messages).toEqual(['one', 'two', '']);
});

test('what a slow thread does not take is bounded, told once, and goes on when it does', () => {
  const posted: Uint8Array<ArrayBuffer>[] = [];
  let told = 0;
  const relay = new FinishRelay(
    (bytes) => posted.push(bytes),
    () => {
      told += 1;
    },
  );
  const add = (count: number): void => {
    for (let i = 0; i < count; i += 1) {
      relay.add(MEGABYTE, 0, MEGABYTE.length);
      relay.flush();
    }
  };
  add(40);
  const held = posted.reduce((sum, bytes) => sum + bytes.length, 0);
  expect(held).toBeLessThanOrEqual(16 * MEGABYTE.length);
  expect([posted.length, told]).toEqual([15, 1]);
  relay.taken(held);
  add(1);
  expect([posted.length, told]).toEqual([16, 1]);
  add(20);
  expect(told).toBe(2);
});
