import type { Hop } from '../context/hop.ts';
import { Histogram } from '../histogram.ts';
import type { HopRecord } from '../records/record.ts';
import { type Outcome, outcomeOf } from '../records/termination.ts';
import { RecentHops } from './recent-hops.ts';
import { Series, SLOTS, slotAt, stepOf } from './series.ts';

/** Backends and servers with series of their own; any more are counted in the series of all alone. */
const MAX_SERIES = 128;

/** Seconds. */
const AGENT_WAIT_BOUNDS = [100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3];

const SWITCHING_PROTOCOLS = 101;

/** How far HAProxy's clock may be ahead, in milliseconds: a time far away would be in the way of those to come. */
const MAX_AHEAD = 5_000;

export type OutcomeCount = { readonly outcome: string; readonly fault: string; count: number };

type BackendSeries = {
  readonly backend: string;
  readonly series: Series;
  readonly servers: ReadonlyMap<string, Series>;
};

/** Observes each sampled hop, on the telemetry thread: counts it, and stores it for the page. */
export class HopObserver {
  readonly recent = new RecentHops();
  readonly all = new Series();
  /** Waits for this agent in place of durations. */
  readonly waits = new Series();
  /** How long HAProxy waited for this agent, by its own clock, in seconds. */
  readonly agentWait = new Histogram(AGENT_WAIT_BOUNDS);
  private readonly outcomes = new Map<string, OutcomeCount>();
  private readonly backends = new Map<string, OwnBackendSeries>();
  private readonly frontendNames = new Set<string>();
  private seriesCount = 0;
  /** Microseconds since the epoch: no hop has ended later. */
  private latest = latestEnd(Date.now());

  /** To be called once a second. @param now in milliseconds since the epoch */
  tick(now: number): void {
    this.latest = latestEnd(now);
    this.recent.tick(now);
  }

  readonly observe = (record: HopRecord, hop: Hop): void => {
    const outcome = outcomeOf(record);
    const failed = outcome.fault === 'server' || outcome.fault === 'proxy';
    const meaningful = record.kind === 'http' && record.statusCode !== SWITCHING_PROTOCOLS;
    const duration = meaningful ? (record.end - record.start) / 1000 : undefined;
    const end = Math.min(record.end, this.latest);
    const slot = slotAt(end);
    const step = duration === undefined ? undefined : stepOf(duration);
    this.count(outcome);
    this.all.add(slot, failed, step);
    this.addToBackend(record, slot, failed, step);
    if (this.frontendNames.size < MAX_SERIES) this.frontendNames.add(record.frontend);
    if (record.phases.agent !== undefined && !hop.mintedByHaproxy) {
      this.agentWait.record(record.phases.agent / 1e6);
      this.waits.add(slot, false, stepOf(record.phases.agent / 1000));
    }
    this.recent.add({ record, hop }, outcome, duration, end / 1000);
  };

  get outcomeCounts(): readonly Readonly<OutcomeCount>[] {
    return [...this.outcomes.values()];
  }

  get frontends(): readonly string[] {
    return [...this.frontendNames].sort();
  }

  /** Those in which something came lately; forgets the others. */
  aliveBackends(slot: number): readonly BackendSeries[] {
    for (const [name, backend] of this.backends) {
      for (const [server, series] of backend.servers) {
        if (!series.isAlive(slot)) {
          backend.servers.delete(server);
          this.seriesCount -= 1;
        }
      }
      if (!backend.series.isAlive(slot) && backend.servers.size === 0) {
        this.backends.delete(name);
        this.seriesCount -= 1;
      }
    }
    return [...this.backends.values()].sort((a, b) => (a.backend < b.backend ? -1 : 1));
  }

  private count({ cause, fault }: Outcome): void {
    const key = cause ?? fault;
    const known = this.outcomes.get(key);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const outcome = cause ?? (fault === 'none' ? 'ok' : `${fault}_5xx`);
    this.outcomes.set(key, { outcome, fault, count: 1 });
  }

  private addToBackend(
    { backend: name, server }: HopRecord,
    slot: number,
    failed: boolean,
    step: number | undefined,
  ): void {
    if (name === undefined) return;
    let backend = this.backends.get(name);
    if (backend === undefined) {
      if (!this.hasRoom(slot)) return;
      backend = { backend: name, series: new Series(), servers: new Map() };
      this.backends.set(name, backend);
    }
    backend.series.add(slot, failed, step);
    if (server === undefined) return;
    let series = backend.servers.get(server.name);
    if (series === undefined) {
      if (!this.hasRoom(slot)) return;
      series = new Series();
      backend.servers.set(server.name, series);
    }
    series.add(slot, failed, step);
  }

  private fullUntil = 0;

  /** Checks for room no more often than a slot can end. */
  private hasRoom(slot: number): boolean {
    if (this.seriesCount >= MAX_SERIES && slot >= this.fullUntil) {
      this.aliveBackends(slot);
      this.fullUntil = slot + SLOTS / 4;
    }
    if (this.seriesCount >= MAX_SERIES) return false;
    this.seriesCount += 1;
    return true;
  }
}

function latestEnd(now: number): number {
  return (now + MAX_AHEAD) * 1000;
}

type OwnBackendSeries = {
  readonly backend: string;
  readonly series: Series;
  readonly servers: Map<string, Series>;
};
