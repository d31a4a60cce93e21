import { expect, test } from 'vitest';
import { liveness, readiness } from '../../src/admin/health.ts';
import { ExporterStatus } from '../../src/telemetry/export/exporter-status.ts';
import type { SendResult } from '../../src/telemetry/transport/otlp.ts';
import { MintMeter } from '../../src/threads/mint-meter.ts';
import { MintNumbers, readMintNumbers } from '../../src/threads/mint-numbers.ts';

const exporter = new ExporterStatus({ kind: 'none' });

const SENT: SendResult = { kind: 'sent', rejected: 0, message: '' };
const REFUSED: SendResult = { kind: 'refused', reason: 'no such token' };
const AWAY: SendResult = { kind: 'retryable', reason: 'UNAVAILABLE', delay: undefined };

/** One batch that the receiver answers so. */
async function attempt(status: ExporterStatus, result: SendResult): Promise<void> {
  await status.timed(async () => result)({ bytes: Buffer.alloc(0), items: 1 });
}

test('a mint thread that hangs is reported, and one that came back as well', () => {
  const numbers = new MintNumbers();
  const meter = new MintMeter(numbers, () => 0);
  meter.start(() => ({}));
  const sources = { mint: () => readMintNumbers(numbers.shared), exporter };
  const now = Date.now();
  expect(liveness(sources, now)).toEqual({ ok: true, mint: 'alive', telemetry: 'alive' });
  expect(readiness(sources, now).ok).toBe(true);
  // Nothing was written for as long.
  expect(liveness(sources, now + 6_000)).toMatchObject({ ok: false, mint: 'hangs' });
  expect(readiness(sources, now + 6_000)).toMatchObject({ ok: false, listening: true });
  meter.stop();
  expect(liveness(sources, Date.now()).ok).toBe(true);
  expect(readiness(sources, Date.now())).toMatchObject({ ok: false, listening: false });
});

test('when the receiver last took something, and whether it does', async () => {
  const numbers = new MintNumbers();
  const meter = new MintMeter(numbers, () => 0);
  meter.start(() => ({}));
  const status = new ExporterStatus({ kind: 'console' });
  const sources = { mint: () => readMintNumbers(numbers.shared), exporter: status };
  const told = () => readiness(sources, Date.now());
  expect(told()).toMatchObject({ ok: true, exporter: 'working', lastExport: null });
  await attempt(status, AWAY);
  expect(told()).toMatchObject({ ok: true, exporter: 'failing' });
  await attempt(status, REFUSED);
  expect(told()).toMatchObject({ ok: true, exporter: 'refusing' });
  await attempt(status, SENT);
  expect(told()).toMatchObject({
    exporter: 'working',
    lastExport: expect.stringMatching(/^20\d\d-/),
  });
  expect(status.latency.counts.reduce((sum, count) => sum + count, 0)).toBe(3);
});

test('a receiver is as it ended the last attempt, for the reason that it gave then', async () => {
  const status = new ExporterStatus({ kind: 'console' });
  const after = async (result: SendResult) => {
    await attempt(status, result);
    return [status.state, status.reason, status.since === undefined ? 'no time' : 'since'];
  };
  expect(await after(REFUSED)).toEqual(['refusing', 'no such token', 'since']);
  expect(await after(SENT)).toEqual(['working', undefined, 'no time']);
  expect(await after(REFUSED)).toEqual(['refusing', 'no such token', 'since']);
  expect(await after(AWAY)).toEqual(['failing', 'UNAVAILABLE', 'since']);
  expect(await after(REFUSED)).toEqual(['refusing', 'no such token', 'since']);
  const partly: SendResult = { kind: 'sent', rejected: 1, message: 'one is too old' };
  expect(await after(partly)).toEqual(['refusing', 'one is too old', 'since']);
  expect(await after(SENT)).toEqual(['working', undefined, 'no time']);
});
