import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SHIPPED_ENGINE } from '../../src/haproxy/shipped.ts';

/**
 * The shipped engine with time to spare, in `folder`: on a busy machine HAProxy must not mint in the agent's place, and
 * not stop asking for a second because a few answers were late.
 *
 * @returns its path
 */
export function patientEngine(folder: string): string {
  const engine = join(folder, 'otel.conf');
  const shipped = readFileSync(SHIPPED_ENGINE, 'utf8');
  writeFileSync(engine, shipped.replace('timeout processing 50ms', 'timeout processing 10s'));
  return engine;
}
