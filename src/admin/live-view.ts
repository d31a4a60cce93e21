import { memoryUsage } from 'node:process';
import { type HopFilter, matches, wholeTrace } from './filter.ts';
import { readiness } from './health.ts';
import type { History } from './history.ts';
import { decidedBy } from './mint-snapshot.ts';
import type { HopObserver } from './observer.ts';
import { type PageHop, viewHop } from './page-hop.ts';
import type { RecentHop } from './recent-hops.ts';
import { type SeriesView, SLOT_SECONDS, slotAt } from './series.ts';
import type { AdminSources } from './sources.ts';

/** How many hops are shown of each kind. */
const SHOWN = { errors: 30, aborts: 10, slow: 8, latest: 40 } as const;

export type HopsView = {
  /** No hop is in two lists. */
  readonly errors: readonly PageHop[];
  readonly slow: readonly PageHop[];
  readonly latest: readonly PageHop[];
  readonly frontends: readonly string[];
};

/** The hops that `filter` lets through: failed ones, then the slowest, then the latest. */
export function viewHops(observer: HopObserver, filter: HopFilter, now: number): HopsView {
  const { recent } = observer;
  const shown = new Set<RecentHop>();
  const select = (hops: Iterable<RecentHop>, most: number): RecentHop[] => {
    const selected: RecentHop[] = [];
    for (const hop of hops) {
      if (selected.length === most) break;
      if (shown.has(hop) || !matches(filter, hop)) continue;
      shown.add(hop);
      selected.push(hop);
    }
    return selected;
  };
  const failed = recent.failed();
  const errors = [
    ...select(failed.errors, SHOWN.errors),
    ...select(failed.aborts, SHOWN.aborts),
  ].sort((a, b) => b.record.end - a.record.end);
  const slow = select(recent.slowest(now), SHOWN.slow);
  const watched = wholeTrace(filter) === undefined ? [] : select(recent.watched(), SHOWN.latest);
  const latest = [...watched, ...select(recent.newest(), SHOWN.latest - watched.length)];
  return {
    errors: errors.map(viewHop),
    slow: slow.map(viewHop),
    latest: latest.map(viewHop),
    frontends: observer.frontends,
  };
}

/** Charts: all hops, then each backend with its servers. */
export type TrafficView = {
  readonly slotSeconds: number;
  /** Of all requests, sampled or not. */
  readonly minted: readonly number[];
  readonly unsampled: readonly number[];
  readonly all: SeriesView;
  /** How long HAProxy waited for the agent. */
  readonly waits: SeriesView;
  readonly backends: readonly (SeriesView & {
    readonly name: string;
    readonly servers: readonly (SeriesView & { readonly name: string })[];
  })[];
};

export function viewTraffic(observer: HopObserver, history: History, now: number): TrafficView {
  const slot = slotAt(now * 1000);
  const { requests, unsampled } = history.slots(slot, now);
  return {
    slotSeconds: SLOT_SECONDS,
    minted: requests,
    unsampled,
    all: observer.all.view(slot),
    waits: observer.waits.view(slot),
    backends: observer.aliveBackends(slot).map(({ backend, series, servers }) => ({
      name: backend,
      ...series.view(slot),
      servers: [...servers]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, own]) => ({ name, ...own.view(slot) })),
    })),
  };
}

export type StateView = ReturnType<typeof viewState>;

/** The agent's own state. */
export function viewState(
  sources: AdminSources,
  history: History,
  traceUrl: string | undefined,
  now: number,
) {
  const { version, startedAt, records, exporter, spans } = sources;
  const mint = sources.mint();
  const slot = slotAt(now * 1000);
  const minted = decidedBy(mint);
  const { kind, target, state, since, reason, lastSuccess } = exporter;
  return {
    now,
    version,
    startedAt,
    traceUrl,
    ready: readiness(sources, now).ok,
    mint: {
      connections: mint.connectionsOpen,
      requests: mint.notifies,
      rate: history.rate(slot, now),
      latency: history.latency(slot),
      delay: { p50: mint.delayP50, p99: mint.delayP99, max: mint.delayMax },
      continued: mint.continued,
      started: mint.started,
      restarted: mint.restarted,
      ignored: mint.ignored,
      invalid: mint.invalid,
      sampled: mint.sampled,
      limited: mint.limited,
      minted,
    },
    records: { ...records, unrecorded: mint.minted - records.minted },
    exporter: { kind, target, state, since, reason, lastSuccess },
    spans: { ...spans.counts, waiting: spans.waiting },
    delay: sources.delay.read(),
    memory: memoryUsage.rss(),
  };
}
