import { fstatSync } from 'node:fs';
import type { Env } from '../settings.ts';

/** Whether standard error is the journal: `JOURNAL_STREAM` names device and inode, as systemd.exec(5) has it. */
export function isJournal(env: Env, descriptor = 2): boolean {
  if (!env.JOURNAL_STREAM) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return env.JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
