import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { History } from '../../src/admin/history.ts';
import { LiveStream } from '../../src/admin/live-stream.ts';
import { MintMeter } from '../../src/admin/mint-meter.ts';
import { readMintNumbers } from '../../src/admin/mint-numbers.ts';
import type { AdminSources } from '../../src/admin/sources.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** As much of the sources as a stream without viewers needs. */
function sourcesWith(parts: { read?: () => void; tick?: () => void }): AdminSources {
  const { shared } = new MintMeter(() => 0);
  return {
    mint: () => readMintNumbers(shared),
    records: { unsampled: 0, kept: 0 },
    observer: { tick: parts.tick ?? (() => {}) },
    delay: { read: parts.read ?? (() => {}) },
  } as unknown as AdminSources;
}

test('the delay of the event loop is read each second, whether or not anybody looks', () => {
  const read = vi.fn();
  const sources = sourcesWith({ read });
  const stream = new LiveStream(sources, new History(sources), undefined);
  vi.advanceTimersByTime(3_000);
  expect(read).toHaveBeenCalledTimes(4);
  stream.stop();
});
