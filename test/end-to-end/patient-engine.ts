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
  writeFileSync(engine, patientProcessing(readFileSync(SHIPPED_ENGINE, 'utf8')));
  return engine;
}

export function patientProcessing(engine: string): string {
  return engine.replace('timeout processing 50ms', 'timeout processing 10s');
}

/** The backend of the agents with time to spare: nor must a check that is late mark the agent down. */
export function patientChecks(config: string): string {
  return config
    .replace(/^( +timeout check) 500ms$/m, '$1 30s')
    .replace(' observe layer4 error-limit 1 on-error mark-down', '');
}
