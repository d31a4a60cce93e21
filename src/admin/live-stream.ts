import type { ServerResponse } from 'node:http';
import type { HopFilter } from './filter.ts';
import type { History } from './history.ts';
import { viewHops, viewState, viewTraffic } from './live-view.ts';
import { slotAt } from './series.ts';
import type { AdminSources } from './sources.ts';

/** Pages that are open at a time. */
const MAX_VIEWERS = 32;

/** Milliseconds. */
const TICK = 1_000;

/** A viewer that has as many bytes unread misses what comes meanwhile. */
const MAX_UNREAD = 256 * 1024;

type Viewer = {
  readonly response: ServerResponse;
  readonly key: string;
  readonly filter: HopFilter;
  /** It missed an event because its buffer was full. */
  missed: boolean;
};

/** Sends events to open pages once a second; what several of them want is made once. Idle while no page is open. */
export class LiveStream {
  private readonly sources: AdminSources;
  private readonly traceUrl: string | undefined;
  private readonly history: History;
  private readonly onFault: (error: unknown) => void;
  private readonly viewers = new Set<Viewer>();
  private readonly timer: NodeJS.Timeout;
  private sentSlot = 0;
  /** By filter, the last event that was sent: the same event is not sent twice. */
  private sentHops: ReadonlyMap<string, string> = new Map();

  /** @param onFault called with errors that would otherwise end the telemetry thread */
  constructor(
    sources: AdminSources,
    history: History,
    traceUrl: string | undefined,
    onFault: (error: unknown) => void,
  ) {
    this.sources = sources;
    this.history = history;
    this.traceUrl = traceUrl;
    this.onFault = onFault;
    this.timer = setInterval(() => this.guardedTick(), TICK).unref();
    this.guardedTick();
  }

  get isFull(): boolean {
    return this.viewers.size >= MAX_VIEWERS;
  }

  /** Answers with events until the viewer leaves: `state`, `traffic` and `hops`, each the whole of it, as JSON. */
  add(response: ServerResponse, parameters: URLSearchParams, filter: HopFilter): void {
    const viewer = { response, key: parameters.toString(), filter, missed: false };
    this.viewers.add(viewer);
    response.once('close', () => this.viewers.delete(viewer));
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    const now = Date.now();
    response.write(this.state(now) + this.traffic(now) + this.hops(filter, now));
  }

  stop(): void {
    clearInterval(this.timer);
    for (const { response } of this.viewers) response.end();
  }

  private guardedTick(): void {
    try {
      this.tick();
    } catch (error) {
      this.onFault(error);
    }
  }

  private tick(): void {
    const now = Date.now();
    const slot = slotAt(now * 1000);
    this.history.tick(slot, now);
    this.sources.observer.tick(now);
    // The window is rotated by reads: without this one it would be longer than ten seconds.
    this.sources.delay.read();
    if (this.viewers.size === 0) return;
    const state = this.state(now);
    const traffic = slot === this.sentSlot ? '' : this.traffic(now);
    this.sentSlot = slot;
    const hops = new Map<string, string>();
    for (const viewer of this.viewers) {
      const { response, key, filter } = viewer;
      if (response.writableLength > MAX_UNREAD) {
        viewer.missed = true;
        continue;
      }
      const own = hops.get(key) ?? this.hops(filter, now);
      hops.set(key, own);
      const known = !viewer.missed && own === this.sentHops.get(key);
      viewer.missed = false;
      response.write(state + traffic + (known ? '' : own));
    }
    this.sentHops = hops;
  }

  private state(now: number): string {
    return event('state', viewState(this.sources, this.history, this.traceUrl, now));
  }

  private traffic(now: number): string {
    return event('traffic', viewTraffic(this.sources.observer, this.history, now));
  }

  private hops(filter: HopFilter, now: number): string {
    return event('hops', viewHops(this.sources.observer, filter, now));
  }
}

/** JSON has no line break of its own. */
function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
