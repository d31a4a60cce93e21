import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { History } from '../../src/admin/history.ts';
import { LiveStream } from '../../src/admin/live-stream.ts';
import type { AdminSources } from '../../src/admin/sources.ts';
import { MintNumbers, readMintNumbers } from '../../src/threads/mint-numbers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** As much of the sources as a stream without viewers needs. */
function sourcesWith(parts: { read?: () => void; tick?: () => void }): AdminSources {
  const { shared } = new MintNumbers();
  return {
    mint: () => readMintNumbers(shared),
    records: { unsampled: 0, kept: 0 },
    observer: { tick: parts.tick ?? (() => {}) },
    delay: { read: parts.read ?? (() => {}) },
  } as unknown as AdminSources;
}

test('the delay of the event loop is read each second, whether or not a page is open', () => {
  const read = vi.fn();
  const sources = sourcesWith({ read });
  const stream = new LiveStream(sources, new History(sources), undefined, () =>
    expect.unreachable(),
  );
  vi.advanceTimersByTime(3_000);
  expect(read).toHaveBeenCalledTimes(4);
  stream.stop();
});

test('a fault in a tick is reported, and the next one comes', () => {
  const tick = vi.fn(() => {
    throw new Error('a fault');
  });
  const sources = sourcesWith({ tick });
  const onFault = vi.fn();
  const stream = new LiveStream(sources, new History(sources), undefined, onFault);
  vi.advanceTimersByTime(2_000);
  expect(tick).toHaveBeenCalledTimes(3);
  expect(onFault).toHaveBeenCalledTimes(3);
  stream.stop();
});
