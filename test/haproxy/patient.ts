import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';

const SHIPPED_ENGINE = join(PACKAGE_ROOT, 'spoe/otel.conf');

/**
 * The shipped engine with time to spare, in `folder`: on a busy machine HAProxy must not mint in the agent's place, and
 * not stop asking for a second because a few answers were late.
 *
 * @returns an edit of the configuration that uses it
 */
export function patientIn(folder: string): (config: string) => string {
  const engine = join(folder, 'otel.conf');
  const shipped = readFileSync(SHIPPED_ENGINE, 'utf8');
  writeFileSync(engine, shipped.replace('timeout processing 50ms', 'timeout processing 10s'));
  return (config) => config.replace(SHIPPED_ENGINE, engine);
}
