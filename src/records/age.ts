/**
 * How old a ring's connection gets. Rings of HAProxy 3.0, 3.2.0 to 3.2.24 and 3.4.0 to 3.4.5 count the pause before
 * they connect again from when they last connected, on a clock of 32 bits: one whose connection breaks after 2^31 ms
 * (24.8 days) does not connect again for up to as long. All times in milliseconds.
 */
export type AgeLimits = {
  /** From then on a connection is renewed when its ring has little to say. */
  readonly from: number;
  /** Then it is renewed whatever it says. */
  readonly until: number;
  /** Up to as much is added to both, by chance, for each connection. */
  readonly jitter: number;
  /** What `little` is measured over, and what lies between two renewals. */
  readonly tick: number;
};

const DAY = 86_400_000;

export const CONNECTION_AGE: AgeLimits = {
  from: 7 * DAY,
  until: 20 * DAY,
  jitter: 3 * DAY,
  tick: 60_000,
};

/** At first a record a second is little; at last a million is, by powers of ten that take as long each. */
const POWERS = 6;

/** Records a second between which there is time for a pause. */
const FEW = 10;

/** When to renew a connection: `in silence` is only if nothing comes meanwhile. */
export type Due = 'not yet' | 'in silence' | 'now';

/** The age of one connection, and what came over it since it was last asked. */
export class RecordAge {
  records = 0;
  private readonly limits: AgeLimits;
  private readonly jitter: number;
  private readonly born: number;

  /** @param value how old it is already */
  constructor(limits: AgeLimits, value = 0) {
    this.born = performance.now() - value;
    this.limits = limits;
    this.jitter = Math.random() * limits.jitter;
  }

  /** Milliseconds. */
  get value(): number {
    return performance.now() - this.born;
  }

  /** To be asked once a tick. */
  due(): Due {
    const { from, until, tick } = this.limits;
    const rate = (this.records * 1_000) / tick;
    this.records = 0;
    const progress = (this.value - this.jitter - from) / (until - from);
    if (progress >= 1) return 'now';
    if (progress < 0 || rate > 10 ** (POWERS * progress)) return 'not yet';
    return rate <= FEW ? 'in silence' : 'now';
  }
}
