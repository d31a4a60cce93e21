import { expect, test } from 'vitest';
import { LATENCY_BOUNDS } from '../../src/admin/mint-snapshot.ts';
import { MintNumbers, readMintNumbers } from '../../src/threads/mint-numbers.ts';

test('what was published is read, and nothing before it', () => {
  const numbers = new MintNumbers();
  numbers.add('handshakes');
  numbers.add('handshakes', 2);
  numbers.set('connectionsOpen', 7);
  expect(readMintNumbers(numbers.shared)).toMatchObject({ handshakes: 0, connectionsOpen: 0 });
  numbers.publish(1234);
  expect(readMintNumbers(numbers.shared)).toMatchObject({
    publishedAt: 1234,
    handshakes: 3,
    connectionsOpen: 7,
  });
});

test('each NOTIFY of a chunk is counted with the time of the chunk', () => {
  const numbers = new MintNumbers();
  numbers.answered(1, 0.01, 1);
  numbers.answered(3, 0.02, 4);
  numbers.answered(2, 1000, 6);
  // The number of minted requests is published at once: a record may follow before the next publication.
  expect(readMintNumbers(numbers.shared)).toMatchObject({ minted: 6, notifies: 0 });
  numbers.publish(0);
  const { latency, notifies, latencySum } = readMintNumbers(numbers.shared);
  expect(notifies).toBe(6);
  expect(latencySum).toBeCloseTo(2000.07);
  expect(latency).toHaveLength(LATENCY_BOUNDS.length + 1);
  expect([latency[0], latency[1], latency.at(-1)]).toEqual([1, 3, 2]);
});
