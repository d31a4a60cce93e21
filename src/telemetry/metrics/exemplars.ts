import type { Hop } from '../../context/hop.ts';

/** One measurement, and the span in which it was made. */
export type Exemplar = {
  readonly value: number;
  /** Microseconds since the epoch. */
  readonly time: number;
  readonly traceId: string;
  readonly spanId: string;
};

/** The span in which a hop is measured; one object for one hop after the other. */
export class MeasuredSpan {
  /** Its ids become text only where an exemplar is made of them. */
  hop: Hop | undefined;
  /** When it ended, in microseconds since the epoch. */
  time = 0;
  private readonly kind: 'SERVER' | 'CLIENT';

  constructor(kind: MeasuredSpan['kind']) {
    this.kind = kind;
  }

  get ids(): { readonly traceId: string; readonly spanId: string } | undefined {
    const { hop, kind } = this;
    if (hop === undefined) return undefined;
    return { traceId: hop.traceId, spanId: kind === 'SERVER' ? hop.spanId : hop.clientSpanId };
  }
}

/** The minimum time between two exemplars of a bucket, by the time of hops: scrapes are not more frequent. Microseconds. */
const MIN_AGE = 1_000_000;

/** An exemplar that is as much ahead is of a clock that is wrong, and must not be in the way of those to come. Microseconds. */
const MAX_AHEAD = 60_000_000;

type Slot = { value: number; time: number; traceId: string; spanId: string; isNew: boolean };

/** At most one measurement per bucket: the specification's AlignedHistogramBucketExemplarReservoir. */
export class ExemplarReservoir {
  private readonly slots: (Slot | undefined)[] = [];

  offer(bucket: number, value: number, span: MeasuredSpan): void {
    const slot = this.slots[bucket];
    const { time } = span;
    // Lines of several processes come out of order, too, and Prometheus refuses what is older than the last.
    const age = time - (slot?.time ?? Number.NEGATIVE_INFINITY);
    if (age < MIN_AGE && age > -MAX_AHEAD) return;
    const { ids } = span;
    if (ids !== undefined) this.slots[bucket] = { value, time, ...ids, isNew: true };
  }

  of(bucket: number): Exemplar | undefined {
    return this.slots[bucket];
  }

  /** Those since the last call. */
  collect(): Exemplar[] {
    const collected: Exemplar[] = [];
    for (const slot of this.slots) {
      if (slot?.isNew !== true) continue;
      const { value, time, traceId, spanId } = slot;
      collected.push({ value, time, traceId, spanId });
      slot.isNew = false;
    }
    return collected;
  }
}
