import type { Instrument } from './instruments.ts';
import type { MetricAttributes } from './points.ts';

/** Series of one instrument, the one of all that come beyond included: the specification's default. */
export const CARDINALITY_LIMIT = 2000;

/** What the specification has for the series of all that come beyond. */
const OVERFLOW: MetricAttributes = { 'otel.metric.overflow': true };

/** When there is no room, series of which nothing came for this long make some. Microseconds. */
const IDLE = 3_600_000_000;

export type SeriesSetEvents = {
  /** An instrument has as many series as it may have, or one group of them; reported once. */
  readonly onOverflow: (instrument: Instrument) => void;
  /** Series were removed: whoever remembers one has to ask again. */
  readonly onRetired: () => void;
};

type Series = {
  /** Grows with each measurement. */
  readonly measured: number;
};

/** @property measured that of the series at the last sweep for idle ones */
type Entry<S> = { readonly series: S; readonly group: string; measured: number };

/**
 * The series of one instrument. One that was admitted stays as long as something comes; what comes beyond is counted in
 * the series of the overflow attribute.
 *
 * What clients choose, as methods and versions, multiplies. So no group, as a backend, is admitted more than there is
 * room left for all others: a client that floods one has half of the room, and new series of the others are still
 * admitted.
 */
export class SeriesSet<S extends Series> {
  readonly instrument: Instrument;
  private readonly admitted = new Map<string, Entry<S>>();
  private readonly groups = new Map<string, number>();
  private overflow: S | undefined;
  private readonly create: (attributes: MetricAttributes) => S;
  /** Microseconds since the epoch. */
  private readonly now: () => number;
  private readonly events: SeriesSetEvents;
  private lastIdleSweep: number | undefined;

  constructor(
    instrument: Instrument,
    create: (attributes: MetricAttributes) => S,
    now: () => number,
    events: SeriesSetEvents,
  ) {
    this.instrument = instrument;
    this.create = create;
    this.now = now;
    this.events = events;
  }

  /** In the order in which they were admitted, the one of the overflow last. */
  get series(): readonly S[] {
    const admitted = Array.from(this.admitted.values(), ({ series }) => series);
    return this.overflow === undefined ? admitted : [...admitted, this.overflow];
  }

  /** @param attributes with the same keys in the same order for the same series */
  get(group: string, attributes: MetricAttributes): S {
    const key = JSON.stringify(attributes);
    const known = this.admitted.get(key);
    if (known !== undefined) return known.series;
    if (!this.hasRoom(group)) this.retireIdle();
    if (!this.hasRoom(group)) return this.overflowing();
    const series = this.create(attributes);
    this.admitted.set(key, { series, group, measured: 0 });
    this.groups.set(group, this.membersOf(group) + 1);
    return series;
  }

  private hasRoom(group: string): boolean {
    return this.membersOf(group) < CARDINALITY_LIMIT - 1 - this.admitted.size;
  }

  private membersOf(group: string): number {
    return this.groups.get(group) ?? 0;
  }

  /** Servers come and go with their addresses: series of those that are gone must not occupy room for ever. */
  private retireIdle(): void {
    const now = this.now();
    if (this.lastIdleSweep !== undefined && now - this.lastIdleSweep < IDLE) return;
    const isFirst = this.lastIdleSweep === undefined;
    this.lastIdleSweep = now;
    const before = this.admitted.size;
    for (const [key, entry] of this.admitted) {
      const { measured } = entry.series;
      if (!isFirst && measured === entry.measured) this.retire(key, entry);
      entry.measured = measured;
    }
    if (this.admitted.size < before) this.events.onRetired();
  }

  private retire(key: string, { group }: Entry<S>): void {
    this.admitted.delete(key);
    const members = this.membersOf(group) - 1;
    if (members > 0) this.groups.set(group, members);
    else this.groups.delete(group);
  }

  private overflowing(): S {
    if (this.overflow === undefined) {
      this.overflow = this.create(OVERFLOW);
      this.events.onOverflow(this.instrument);
    }
    return this.overflow;
  }
}
