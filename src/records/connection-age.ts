/**
 * The maximum age of a ring's connection. Rings of HAProxy 3.0, 3.2.0 to 3.2.24 and 3.4.0 to 3.4.5 count the pause before
 * they connect again from when they last connected, on a clock of 32 bits: one whose connection breaks after 2^31 ms
 * (24.8 days) does not connect again for up to as long. All times in milliseconds.
 */
export type AgeLimits = {
  /** From this age on a connection is renewed when its ring is quiet. */
  readonly from: number;
  /** At this age it is renewed at any rate of records. */
  readonly until: number;
  /** Up to as much is added to both, at random, for each connection. */
  readonly jitter: number;
  /** The interval over which the rate is measured, and between two renewals. */
  readonly tick: number;
};

const DAY = 86_400_000;

export const CONNECTION_AGE: AgeLimits = {
  from: 7 * DAY,
  until: 20 * DAY,
  jitter: 3 * DAY,
  tick: 60_000,
};

/** The rate that counts as quiet grows with age, from one record a second to a million, by powers of ten at equal intervals. */
const POWERS = 6;

/** Records a second at which a pause is likely. */
const FEW = 10;

/** When to renew a connection: `when idle` is as soon as no record has come for a moment. */
export type Due = 'not yet' | 'when idle' | 'now';

/** The age of one connection, and the number of records since the last tick. */
export class ConnectionAge {
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

  /** To be called once a tick. */
  due(): Due {
    const { from, until, tick } = this.limits;
    const rate = (this.records * 1_000) / tick;
    this.records = 0;
    const progress = (this.value - this.jitter - from) / (until - from);
    if (progress >= 1) return 'now';
    if (progress < 0 || rate > 10 ** (POWERS * progress)) return 'not yet';
    return rate <= FEW ? 'when idle' : 'now';
  }
}
