import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import type { Logger } from '../../src/log.ts';
import { createPipeline } from '../../src/telemetry/create-pipeline.ts';
import { hopOf, recordLine } from '../records/lines.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a fault in an observer of hops costs none of them, and is logged once and summed up', async () => {
  const error = vi.fn();
  const { telemetry } = loadConfig({ OTEL_TRACES_EXPORTER: 'none' });
  const { pipeline } = await createPipeline(telemetry, { error } as unknown as Logger, () => {
    throw new Error('a fault');
  });
  for (let i = 0; i < 3; i += 1) {
    const line = Buffer.from(recordLine(hopOf(i)));
    pipeline.processLine(line, 0, line.length);
  }
  expect(pipeline.counts.sampled).toBe(3);
  expect(error).toHaveBeenCalledTimes(1);
  expect(error.mock.calls[0]?.[0].err).toEqual(new Error('a fault'));
  vi.advanceTimersByTime(60_000);
  expect(error).toHaveBeenCalledTimes(2);
  expect(error.mock.calls[1]?.[0]).toEqual({ faults: 3 });
});
