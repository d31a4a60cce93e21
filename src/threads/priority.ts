import { constants, getPriority, setPriority } from 'node:os';
import type { Logger } from '../log.ts';

/**
 * Lets the mint path, and HAProxy, have the processor before the thread that calls this: a request waits for them, while
 * a record can wait in the ring. On Linux 0 is the calling thread; elsewhere it would be the whole process.
 */
export function giveWay(log: Logger): void {
  if (process.platform !== 'linux') return;
  const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;
  try {
    setPriority(0, Math.min(getPriority(0) + PRIORITY_BELOW_NORMAL, PRIORITY_LOW));
  } catch (error) {
    // A sandbox of the user's own, as with "SystemCallFilter=~@resources".
    log.info({ err: error }, 'the telemetry thread may not lower its priority');
  }
}
