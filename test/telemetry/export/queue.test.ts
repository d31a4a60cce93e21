import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ExportQueue } from '../../../src/telemetry/export/queue.ts';
import type { QueueEvent } from '../../../src/telemetry/export/queue-report.ts';
import { type Batch, splitBatch } from '../../../src/telemetry/otlp/batch.ts';
import type { SendResult } from '../../../src/telemetry/transport/otlp.ts';

const SENT: SendResult = { kind: 'sent', rejected: 0, message: '' };
const UNAVAILABLE: SendResult = { kind: 'retryable', reason: 'unavailable', delay: undefined };
const INVALID: SendResult = { kind: 'refused', reason: 'invalid' };

/** A batch that is identified by its first byte. */
function batch(id: number, spans = 10, bytes = 100): Batch {
  return { bytes: Buffer.alloc(bytes, id), items: spans };
}

type Call = { readonly id: number; readonly at: number; answer(result: SendResult): void };

function queueWith(limits = { items: 1000, bytes: 100_000 }) {
  const calls: Call[] = [];
  const events: QueueEvent[] = [];
  const queue = new ExportQueue(
    ({ bytes }) =>
      new Promise((resolve) => {
        calls.push({ id: bytes[0] ?? 0, at: Date.now(), answer: resolve });
      }),
    splitBatch,
    limits,
    (event) => events.push(event),
  );
  return { queue, calls, events, kinds: () => events.map(({ kind }) => kind) };
}

/** Lets promises settle; no time passes. */
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('batches go out in order, at most eight at a time', async () => {
  const { queue, calls } = queueWith();
  for (let id = 1; id <= 10; id += 1) queue.push(batch(id));
  expect(calls.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  calls[3]?.answer(SENT);
  await settle();
  expect(calls.at(-1)?.id).toBe(9);
  expect(queue.counts.exported).toBe(10);
});

describe('a receiver that is away', () => {
  test('is asked by one batch at a time, further and further apart, and nothing is lost', async () => {
    const { queue, calls, events } = queueWith();
    queue.push(batch(1));
    queue.push(batch(2));
    for (const call of [...calls]) call.answer(UNAVAILABLE);
    await settle();
    expect(events).toEqual([{ kind: 'failing', reason: 'unavailable' }]);
    const gaps: number[] = [];
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const before = calls.at(-1)?.at ?? 0;
      const count = calls.length;
      while (calls.length === count) await vi.advanceTimersByTimeAsync(50);
      gaps.push((calls.at(-1)?.at ?? 0) - before);
      expect(calls.length).toBe(count + 1);
      calls.at(-1)?.answer(UNAVAILABLE);
      await settle();
    }
    gaps.forEach((gap, i) => {
      const full = Math.min(500 * 2 ** i, 10_000);
      expect(gap).toBeGreaterThanOrEqual(full / 2);
      expect(gap).toBeLessThanOrEqual(full + 50);
    });
    while (calls.at(-1)?.id !== 0 && queue.counts.exported < 20) {
      await vi.advanceTimersByTimeAsync(1000);
      for (const call of calls) call.answer(SENT);
      await settle();
    }
    expect(queue.counts).toMatchObject({ exported: 20, dropped: 0, refused: 0 });
    expect(queue.size).toBe(0);
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({ kind: 'recovered', retries: 12 });
  });

  test('that names a delay is not asked before', async () => {
    const { queue, calls } = queueWith();
    queue.push(batch(1));
    calls[0]?.answer({ kind: 'retryable', reason: 'busy', delay: 7000 });
    await vi.advanceTimersByTimeAsync(6999);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2);
    expect(calls).toHaveLength(2);
  });

  test('waits are jittered', async () => {
    const waits = new Set<number>();
    for (let i = 0; i < 20; i += 1) {
      const { queue, calls } = queueWith();
      queue.push(batch(1));
      const from = Date.now();
      calls[0]?.answer(UNAVAILABLE);
      while (calls.length === 1) await vi.advanceTimersByTimeAsync(1);
      waits.add(Date.now() - from);
    }
    expect(waits.size).toBeGreaterThan(5);
  });
});

describe('a full queue', () => {
  test.each([
    ['items', { items: 30, bytes: 1_000_000 }],
    ['bytes', { items: 1000, bytes: 300 }],
  ])('by %s drops the oldest, counts them and reports it once', async (_name, limits) => {
    const { queue, calls, events, kinds } = queueWith(limits);
    queue.push(batch(1));
    calls[0]?.answer(UNAVAILABLE);
    await settle();
    for (let id = 2; id <= 9; id += 1) queue.push(batch(id));
    expect(queue.size).toBe(30);
    expect(queue.counts.dropped).toBe(60);
    expect(kinds()).toEqual(['failing', 'dropping']);
    await vi.advanceTimersByTimeAsync(1000);
    for (let round = 0; round < 4; round += 1) {
      for (const call of calls) call.answer(SENT);
      await settle();
    }
    expect(calls.slice(1).map(({ id }) => id)).toEqual([7, 8, 9]);
    expect(events.at(-1)).toEqual({ kind: 'dropped', items: 60 });
    expect(queue.counts).toMatchObject({ exported: 30, dropped: 60 });
  });

  test('still accepts a batch that is larger than its limit', () => {
    const { queue, calls } = queueWith({ items: 5, bytes: 50 });
    queue.push(batch(1));
    expect(calls).toHaveLength(1);
    expect(queue.counts.dropped).toBe(0);
  });
});

describe('what the receiver refuses', () => {
  test('is counted, reported once, and not tried again', async () => {
    const { queue, calls, kinds } = queueWith();
    for (let id = 1; id <= 3; id += 1) queue.push(batch(id));
    for (const call of [...calls]) call.answer(INVALID);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(calls).toHaveLength(3);
    expect(queue.counts).toMatchObject({ exported: 0, refused: 30 });
    expect(kinds()).toEqual(['refused']);
  });

  test('in part is counted by the part', async () => {
    const { queue, calls } = queueWith();
    queue.push(batch(1));
    calls[0]?.answer({ kind: 'sent', rejected: 4, message: 'too old' });
    await settle();
    expect(queue.counts).toMatchObject({ exported: 6, refused: 4 });
  });
});

test('refusals among what is accepted are one episode, until there were none for a minute', async () => {
  const { queue, calls, kinds } = queueWith();
  const answer = async (result: SendResult): Promise<void> => {
    queue.push(batch(1));
    calls.at(-1)?.answer(result);
    await settle();
  };
  for (let i = 0; i < 5; i += 1) {
    await answer(INVALID);
    await answer(SENT);
  }
  expect(kinds()).toEqual(['refused']);
  await vi.advanceTimersByTimeAsync(61_000);
  await answer(SENT);
  await answer(INVALID);
  expect(kinds()).toEqual(['refused', 'refused']);
});

describe('flush', () => {
  test('ends when nothing is left', async () => {
    const { queue, calls } = queueWith();
    queue.push(batch(1));
    let flushed = false;
    void queue.flush(10_000).then(() => {
      flushed = true;
    });
    await settle();
    expect(flushed).toBe(false);
    calls[0]?.answer(SENT);
    await settle();
    expect(flushed).toBe(true);
  });

  test('does not wait for a backoff, and gives up at its limit', async () => {
    const { queue, calls } = queueWith();
    queue.push(batch(1));
    calls[0]?.answer({ kind: 'retryable', reason: 'away', delay: 60_000 });
    await settle();
    let flushed = false;
    void queue.flush(2000).then(() => {
      flushed = true;
    });
    expect(calls).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1999);
    expect(flushed).toBe(false);
    await vi.advanceTimersByTimeAsync(2);
    expect(flushed).toBe(true);
  });
});
