import { expect, test } from 'vitest';
import { liveness, readiness } from '../../src/admin/health.ts';
import { MintMeter } from '../../src/admin/mint-meter.ts';
import { readMintNumbers } from '../../src/admin/mint-numbers.ts';
import { ExportWatch } from '../../src/telemetry/export-watch.ts';

const exporter = new ExportWatch({ kind: 'none' });

test('a mint thread that hangs is told of, and one that came back as well', () => {
  const meter = new MintMeter(() => 0);
  meter.start(() => ({}));
  const sources = { mint: () => readMintNumbers(meter.shared), exporter };
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
  const meter = new MintMeter(() => 0);
  meter.start(() => ({}));
  const watch = new ExportWatch({ kind: 'console' });
  const sources = { mint: () => readMintNumbers(meter.shared), exporter: watch };
  const told = () => readiness(sources, Date.now());
  expect(told()).toMatchObject({ ok: true, exporter: 'working', lastExport: null });
  watch.take({ kind: 'failing', reason: 'UNAVAILABLE' });
  expect(told()).toMatchObject({ ok: true, exporter: 'failing' });
  const send = watch.timed(async () => ({ kind: 'sent', rejected: 0, message: '' }));
  await send({ bytes: Buffer.alloc(0), spans: 1 });
  watch.take({ kind: 'recovered', seconds: 1, retries: 1 });
  expect(told()).toMatchObject({
    exporter: 'working',
    lastExport: expect.stringMatching(/^20\d\d-/),
  });
  expect(watch.latency.counts.reduce((sum, count) => sum + count, 0)).toBe(1);
});
