import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseFilter } from '../../src/admin/filter.ts';
import { History } from '../../src/admin/history.ts';
import { LiveStream } from '../../src/admin/live-stream.ts';
import { HopObserver } from '../../src/admin/observer.ts';
import type { AdminSources } from '../../src/admin/sources.ts';
import { RecordParser } from '../../src/records/record-parser.ts';
import { ExporterStatus } from '../../src/telemetry/export/exporter-status.ts';
import { MintNumbers, readMintNumbers } from '../../src/threads/mint-numbers.ts';
import { hopOf, recordLine } from '../records/lines.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** As much of the sources as a stream needs. */
function sourcesWith(parts: { read?: () => void; tick?: () => void }): AdminSources {
  const { shared } = new MintNumbers();
  return {
    mint: () => readMintNumbers(shared),
    records: { unsampled: 0, kept: 0 },
    exporter: new ExporterStatus({ kind: 'none' }),
    spans: { counts: {}, waiting: 0 },
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

test('a hop is sent to who watches within a second', () => {
  const observer = new HopObserver();
  const sources = { ...sourcesWith({}), observer };
  const stream = new LiveStream(sources, new History(sources), undefined, () =>
    expect.unreachable(),
  );
  let sent = '';
  const response = {
    writableLength: 0,
    once: () => {},
    writeHead: () => {},
    write: (text: string) => {
      sent += text;
    },
    end: () => {},
  } as unknown as ServerResponse;
  const all = new URLSearchParams();
  stream.add(response, all, parseFilter(all) ?? expect.unreachable());
  vi.advanceTimersByTime(300);
  const line = Buffer.from(recordLine(hopOf(1), { end: Date.now() * 1000 }));
  const record = new RecordParser().parse(line, 0, line.length) ?? expect.unreachable();
  observer.observe(record, record.hop ?? expect.unreachable());
  expect(sent).not.toContain(hopOf(1).slice(0, 32));
  vi.advanceTimersByTime(1_000);
  expect(sent).toContain(hopOf(1).slice(0, 32));
  stream.stop();
});
