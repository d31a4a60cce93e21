import { TokenBucket } from '../context/token-bucket.ts';
import type { AccessLog } from '../records/access-log.ts';
import type { HopRecord } from '../records/record.ts';
import { Field } from '../records/table.ts';
import { outcomeOf } from '../records/termination.ts';
import type { Kept } from './attributes.ts';
import type { KeepConfig } from './config.ts';

const NORMAL = '-';

/** Whether HAProxy or a server may have failed the hop of the line that `line` has scanned: most are none. */
export function mayHaveFailed(line: AccessLog): boolean {
  const state = line.text(Field.termination_state);
  return (line.number(Field.status) ?? 0) >= 500 || (state !== undefined && state[0] !== NORMAL);
}

/** Finds the hops that are worth exporting though their trace was not sampled. */
export class Keeper {
  /** Whether any hop can be. */
  readonly active: boolean;
  private readonly errors: boolean;
  /** Microseconds. */
  private readonly slowerThan: number;
  private readonly bucket: TokenBucket;

  constructor({ errors, slowerThan, perSecond }: KeepConfig) {
    this.active = errors || slowerThan !== undefined;
    this.errors = errors;
    this.slowerThan = (slowerThan ?? Number.POSITIVE_INFINITY) * 1000;
    this.bucket = new TokenBucket(perSecond);
  }

  /** Whether it is worth making a record of the line that `line` has scanned: most are not. */
  mayKeep(line: AccessLog): boolean {
    if (this.errors && mayHaveFailed(line)) return true;
    const end = line.end ?? 0;
    const answered = line.number(Field.answered) ?? end;
    const request = Math.max(line.number(Field.TR) ?? 0, 0) * 1000;
    // The timers are whole milliseconds.
    return end - answered + request + 1000 > this.slowerThan;
  }

  /** Why this hop is kept; undefined where it is not, or too many are. */
  reason(record: HopRecord): Kept | undefined {
    const { fault } = outcomeOf(record);
    const failed = this.errors && (fault === 'server' || fault === 'proxy');
    const reason = failed
      ? 'error'
      : record.end - record.start > this.slowerThan
        ? 'slow'
        : undefined;
    return reason !== undefined && this.bucket.take() ? reason : undefined;
  }
}
