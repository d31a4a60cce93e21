import type { Env } from '../settings.ts';

/**
 * The interval of watchdog notifications, in milliseconds: half of systemd's timeout, as sd_watchdog_enabled(3)
 * recommends.
 *
 * @returns undefined where there is no watchdog, or it is another process's
 */
export function watchdogInterval(env: Env, pid: number): number | undefined {
  const microseconds = Number(env.WATCHDOG_USEC);
  if (!(microseconds > 0)) return undefined;
  if (env.WATCHDOG_PID && Number(env.WATCHDOG_PID) !== pid) return undefined;
  return microseconds / 2000;
}

/**
 * Notifies the watchdog as long as both threads work: this one by running this timer, the other by answering `ping`.
 *
 * @param interval milliseconds
 */
export function startWatchdog(interval: number, ping: () => Promise<void>, feed: () => void): void {
  let asked = false;
  const ask = (): void => {
    if (asked) return;
    asked = true;
    void ping().then(() => {
      asked = false;
      feed();
    });
  };
  setInterval(ask, interval).unref();
}
