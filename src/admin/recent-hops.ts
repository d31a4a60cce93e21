import type { Hop } from '../context/hop.ts';
import { copyHop } from '../context/hop-view.ts';
import { copyRecord } from '../records/copy-record.ts';
import type { HopRecord } from '../records/record.ts';
import type { Outcome } from '../records/termination.ts';

/** One stored hop, as it came; what is shown of it is made when a page asks. */
export type RecentHop = { readonly record: HopRecord; readonly hop: Hop };

/** How many are stored of each kind, so that no kind evicts another. */
const LATEST = 2_048;
const ERRORS = 256;
const ABORTS = 128;

/**
 * Hops a second that are stored though they neither failed nor were slow. More would cost the garbage collector
 * thousands of copies, for a list that covers half a second.
 */
const LATEST_A_SECOND = 200;

/** Traces that a viewer waits for: how many, for how many milliseconds, and how many of their hops are stored. */
const WATCHED = 16;
const WATCH_TIME = 60_000;
const WATCHED_HOPS = 64;

/** The slowest of each time: how many, how long a time is in milliseconds, and how many times there are. */
const SLOWEST = 8;
const SLOW_WINDOW = 10_000;
const SLOW_WINDOWS = 30;

/** Characters of one hop that clients control: longer texts are truncated. */
const MAX_TEXT = 2_048;
const CUT_TEXT = 512;

/** The hops of the last minutes, in bounded memory: the latest, those that failed, and the slowest. */
export class RecentHops {
  private readonly latest = new Ring(LATEST);
  private readonly errors = new Ring(ERRORS);
  private readonly aborts = new Ring(ABORTS);
  private readonly ofWatched = new Ring(WATCHED_HOPS);
  /** Until when, in milliseconds since the epoch, by trace id; who waits longest comes first. */
  private readonly watchedUntil = new Map<string, number>();
  private readonly slow: SlowWindow[] = [];
  private left = LATEST_A_SECOND;

  /** To be called once a second. @param now in milliseconds since the epoch */
  tick(now: number): void {
    this.left = LATEST_A_SECOND;
    for (const [traceId, until] of this.watchedUntil) {
      if (now >= until) this.watchedUntil.delete(traceId);
    }
  }

  /**
   * Stores all hops of one trace for a minute from now, whatever the load: without this, a viewer who asks for a
   * trace in advance could not tell a busy second from a lost record. Beyond the limit the oldest watch is dropped.
   */
  watch(traceId: string, now: number): void {
    this.watchedUntil.delete(traceId);
    this.watchedUntil.set(traceId, now + WATCH_TIME);
    for (const first of this.watchedUntil.keys()) {
      if (this.watchedUntil.size <= WATCHED) return;
      this.watchedUntil.delete(first);
    }
  }

  /**
   * @param duration in milliseconds, undefined where it has no meaning
   * @param at when it ended, in milliseconds since the epoch
   */
  add(hop: RecentHop, outcome: Outcome, duration: number | undefined, at: number): void {
    const isSlow = duration !== undefined && this.isSlow(duration, at);
    const failed = outcome.fault !== 'none';
    const isWatched = this.watchedUntil.size > 0 && this.watchedUntil.has(hop.hop.traceId);
    if (!isSlow && !failed && !isWatched && this.left === 0) return;
    const recent = { record: bounded(copyRecord(hop.record)), hop: copyHop(hop.hop) };
    if (isSlow) this.addSlow(recent, duration);
    if (isWatched) this.ofWatched.add(recent);
    if (failed) (outcome.fault === 'client' ? this.aborts : this.errors).add(recent);
    if (this.left === 0) return;
    this.left -= 1;
    this.latest.add(recent);
  }

  /** Newest first. */
  newest(): Iterable<RecentHop> {
    return this.latest.newest();
  }

  /** Of the traces that are, or were, watched; newest first. */
  watched(): Iterable<RecentHop> {
    return this.ofWatched.newest();
  }

  /** Of servers and of HAProxy itself, then of clients; newest first. */
  failed(): { errors: Iterable<RecentHop>; aborts: Iterable<RecentHop> } {
    return { errors: this.errors.newest(), aborts: this.aborts.newest() };
  }

  /** Slowest first, of the last five minutes before `now`, in milliseconds since the epoch. */
  slowest(now: number): RecentHop[] {
    return this.slow
      .filter(({ since }) => now - since <= SLOW_WINDOW * SLOW_WINDOWS)
      .flatMap(({ hops }) => hops)
      .sort((a, b) => b.duration - a.duration)
      .map(({ recent }) => recent);
  }

  /** Whether it is among the slowest of its time, which may begin with it. */
  private isSlow(duration: number, at: number): boolean {
    let window = this.slow.at(-1);
    if (window === undefined || at - window.since >= SLOW_WINDOW) {
      window = { since: at, hops: [], least: 0 };
      this.slow.push(window);
      if (this.slow.length > SLOW_WINDOWS) this.slow.shift();
    }
    return window.hops.length < SLOWEST || duration > window.least;
  }

  private addSlow(recent: RecentHop, duration: number): void {
    const window = this.slow.at(-1);
    if (window === undefined) return;
    window.hops.push({ recent, duration });
    window.hops.sort((a, b) => b.duration - a.duration);
    if (window.hops.length > SLOWEST) window.hops.pop();
    window.least = window.hops.at(-1)?.duration ?? 0;
  }
}

type SlowWindow = {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly hops: { readonly recent: RecentHop; readonly duration: number }[];
  least: number;
};

class Ring {
  private readonly size: number;
  private readonly hops: RecentHop[] = [];
  private next = 0;

  constructor(size: number) {
    this.size = size;
  }

  add(recent: RecentHop): void {
    this.hops[this.next] = recent;
    this.next = this.next + 1 === this.size ? 0 : this.next + 1;
  }

  *newest(): Iterable<RecentHop> {
    const { length } = this.hops;
    for (let i = 1; i <= length; i += 1) {
      const recent = this.hops[(this.next - i + length) % length];
      if (recent !== undefined) yield recent;
    }
  }
}

const NO_ATTRIBUTES = {};

/** The record itself where it is small; the user's own attributes, which may be of any size, are not stored. */
function bounded(record: HopRecord): HopRecord {
  const size =
    (record.path?.length ?? 0) +
    (record.query?.length ?? 0) +
    (record.userAgent?.length ?? 0) +
    (record.host?.length ?? 0) +
    (record.tracestate?.length ?? 0);
  let own = false;
  for (const _ in record.attributes) own = true;
  if (size <= MAX_TEXT && !own) return record;
  return {
    ...record,
    attributes: NO_ATTRIBUTES,
    tracestate: undefined,
    path: cut(record.path),
    query: cut(record.query),
    sent: undefined,
    userAgent: cut(record.userAgent),
    host: cut(record.host),
    requestId: cut(record.requestId),
    route: cut(record.route),
    method: cut(record.method),
  };
}

/** A copy: a slice of a string would retain all of it in memory. */
function cut(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= CUT_TEXT) return text;
  return `${Buffer.from(text.slice(0, CUT_TEXT)).toString()}…`;
}
