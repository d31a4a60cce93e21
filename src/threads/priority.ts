import { constants, getPriority, setPriority } from 'node:os';
import type { Logger } from '../log.ts';

/**
 * Lowers the priority of the calling thread below the mint path's and HAProxy's: requests wait for these, while a
 * record can wait in the ring. On Linux 0 is the calling thread; elsewhere it would be the whole process.
 */
export function lowerPriority(log: Logger): void {
  if (process.platform !== 'linux') return;
  const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;
  try {
    setPriority(0, Math.min(getPriority(0) + PRIORITY_BELOW_NORMAL, PRIORITY_LOW));
  } catch (error) {
    // A sandbox of the user's own, as with "SystemCallFilter=~@resources".
    log.info({ err: error }, 'the telemetry thread may not lower its priority');
  }
}
