import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Ports } from '../../src/demo/ports.ts';
import { wiring } from '../wiring/run.ts';

/** By this tests know the trace of an answer. */
export const SERVER_TIMING =
  'http-after-response add-header server-timing "trace;desc=00-%[var(txn.otel.hop),bytes(0,52)]" if { var(txn.otel.hop) -m found }';

/** The example as it is without tracing, but for `SERVER_TIMING` and rules of the test's in its HTTP frontend. */
export function plain(config: string, rules: readonly string[] = []): string {
  return config
    .replace(/ *# >>> otel[\s\S]*?# <<< otel\n/g, '')
    .replace('frontend www from otel-rules\n', () =>
      ['frontend www', ...rules, SERVER_TIMING, ''].join('\n    ').replace(/ +$/, ''),
    );
}

/**
 * What `add` makes of a configuration, in a folder of its own below `folder`: the engine's file stays there, with time to
 * spare, as `patientIn` has it.
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
  writeFileSync(engine, shipped.replace('timeout processing 50ms', 'timeout processing 10s'));
  return readFileSync(file, 'utf8');
}
