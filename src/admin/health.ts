import type { AdminSources } from './sources.ts';

/** The mint thread publishes four times a second: without that for as many milliseconds it counts as hung. */
const HANGS_AFTER = 5_000;

/** The answer to a probe: `ok` decides the status, the rest is for people. */
export type Health = { readonly ok: boolean } & Readonly<Record<string, unknown>>;

/** Whether both threads work: the one that answers is the telemetry thread. */
export function liveness(sources: Pick<AdminSources, 'mint'>, now: number): Health {
  const age = now - sources.mint().publishedAt;
  const ok = age < HANGS_AFTER;
  return { ok, mint: ok ? 'alive' : 'hangs', telemetry: 'alive' };
}

/**
 * Whether HAProxy may ask. A receiver that is down is reported but does not count: requests are still answered, and
 * spans are queued.
 */
export function readiness(sources: Pick<AdminSources, 'mint' | 'exporter'>, now: number): Health {
  const { listening } = sources.mint();
  const { kind, state, lastSuccess } = sources.exporter;
  const live = liveness(sources, now);
  return {
    ...live,
    ok: live.ok && listening === 1,
    listening: listening === 1,
    exporter: kind === 'none' ? 'none' : state,
    lastExport: lastSuccess === undefined ? null : new Date(lastSuccess).toISOString(),
  };
}
