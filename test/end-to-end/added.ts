import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Ports } from '../../src/demo/ports.ts';
import { filesOf } from '../../src/wiring/wire.ts';
import { wiring } from '../wiring/run.ts';
import { patientChecks, patientProcessing } from './patient-engine.ts';

/** By this tests know the trace of an answer, as the plain file has it. */
export const SERVER_TIMING =
  'http-after-response add-header server-timing "trace;desc=00-%[var(txn.otel.hop),bytes(0,52)]" if { var(txn.otel.hop) -m found }';

/** A configuration as it is without what `add` wrote, but for rules of the test's in its HTTP frontend. */
export function plain(config: string, rules: readonly string[] = []): string {
  const clean = filesOf(new Map([['', config]])).clean.get('') ?? '';
  return clean.replace('frontend www\n', () =>
    ['frontend www', ...rules, ''].join('\n    ').replace(/ +$/, ''),
  );
}

/**
 * What `add` makes of a configuration, in a folder of its own below `folder`: the engine's file stays there. Both have time
 * to spare.
 */
export function added(
  folder: string,
  config: string,
  { spop, records }: Ports,
  args: readonly string[] = [],
): string {
  const own = mkdtempSync(join(folder, 'added-'));
  const file = join(own, 'haproxy.cfg');
  writeFileSync(file, config);
  const addresses = ['--spop', `127.0.0.1:${spop}`, '--records', `127.0.0.1:${records}`];
  const { status, err } = wiring(own, 'add', ['haproxy.cfg'], [...addresses, ...args, '--write']);
  expect([status, err]).toEqual([0, expect.anything()]);
  const engine = join(own, 'haproxy-otel-spoa.conf');
  const shipped = readFileSync(engine, 'utf8');
  writeFileSync(engine, patientProcessing(shipped));
  return patientChecks(readFileSync(file, 'utf8'));
}
