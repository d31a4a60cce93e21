import type { AdminSources } from './sources.ts';

/** The mint thread writes four times a second: after this many milliseconds it hangs. */
const HANGS_AFTER = 5_000;

/** What a probe is told: `ok` decides the status, the rest is for whoever reads it. */
export type Health = { readonly ok: boolean } & Readonly<Record<string, unknown>>;

/** Whether both threads work: whoever answers this is the telemetry thread. */
export function liveness(sources: Pick<AdminSources, 'mint'>, now: number): Health {
  const age = now - sources.mint().publishedAt;
  const ok = age < HANGS_AFTER;
  return { ok, mint: ok ? 'alive' : 'hangs', telemetry: 'alive' };
}

/**
 * Whether HAProxy may ask. A receiver that is away is told of and does not count: requests are answered, and spans
 * wait for it.
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
