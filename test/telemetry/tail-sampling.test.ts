import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { mayHaveFailed, RecordHead } from '../../src/records/head.ts';
import { RecordParser } from '../../src/records/record-parser.ts';
import { TailSampler } from '../../src/telemetry/tail-sampling.ts';
import { FIELDS, hopOf, recordLine } from '../records/lines.ts';

const tailSampler = (errors: boolean, slowerThan?: number, perSecond = 100): TailSampler =>
  new TailSampler({ errors, slowerThan, perSecond });

/** The policy that exports a hop with these fields; the first look at its line must not have excluded it. */
function reasonOf(
  keep: TailSampler,
  changes: Readonly<Record<string, unknown>>,
): string | undefined {
  const log = new RecordParser();
  const line = Buffer.from(recordLine(hopOf(1, '02'), changes));
  const hop = new RecordHead().unsampledHop(line, 0, line.length);
  log.scan(line, 0, line.length);
  const mayBeSlow = keep.mayBeSlow(log);
  const record = log.parse(line, 0, line.length);
  const reason = record === undefined ? undefined : keep.decide(record);
  if (reason === 'slow') expect(mayBeSlow).toBe(true);
  if (reason === 'error') expect(mayHaveFailed(line, hop, line.length)).toBe(true);
  return reason;
}

const NO_SERVER = { status: 503, termination_state: 'SC--', server: '<NOSRV>', Tw: -1 };

test('no policy is on by default', () => {
  expect(tailSampler(false).active).toBe(false);
  expect([tailSampler(true).active, tailSampler(false, 5).active]).toEqual([true, true]);
});

describe('errors', () => {
  test.each([
    ['of a server', { status: 500 }, 'error'],
    ['of HAProxy', NO_SERVER, 'error'],
    ['in the body, after a 200', { status: 200, termination_state: 'SD--' }, 'error'],
    ['not a client that leaves', { status: -1, termination_state: 'CD--' }, undefined],
    ['not a 404', { status: 404 }, undefined],
    ['not a good one', {}, undefined],
  ])('%s', (_name, changes, expected) => {
    expect(reasonOf(tailSampler(true), changes)).toBe(expected);
    expect(reasonOf(tailSampler(false, 3_600_000), changes)).toBeUndefined();
  });
});

describe('slow', () => {
  const { end } = FIELDS;
  const lasting = (milliseconds: number): Record<string, number> => {
    const received = end - milliseconds * 1000;
    return { received, answered: received, accepted: received / 1000, TR: 0 };
  };

  test.each([
    [99, undefined],
    [101, 'slow'],
  ])('%d ms where 100 is the limit', (milliseconds, expected) => {
    expect(reasonOf(tailSampler(false, 100), lasting(milliseconds))).toBe(expected);
  });

  test('an error is called so', () => {
    expect(reasonOf(tailSampler(true, 100), { ...lasting(500), ...NO_SERVER })).toBe('error');
  });
});

test('so many a second, and no more', () => {
  // All within one moment, however long that takes.
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000);
  onTestFinished(() => clock.mockRestore());
  const keep = tailSampler(true, undefined, 5);
  const reasons = Array.from({ length: 50 }, () => reasonOf(keep, NO_SERVER));
  expect(reasons.filter((reason) => reason === 'error')).toHaveLength(5);
});
