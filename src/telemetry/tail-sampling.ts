import { TokenBucket } from '../context/token-bucket.ts';
import type { HopRecord } from '../records/record.ts';
import type { RecordParser } from '../records/record-parser.ts';
import { Field } from '../records/table.ts';
import { outcomeOf } from '../records/termination.ts';
import type { TailPolicy } from './attributes.ts';
import type { TailSamplingConfig } from './config.ts';

/** Tail sampling: exports hops whose trace was not sampled, if a policy matches. */
export class TailSampler {
  /** Whether there is any policy. */
  readonly active: boolean;
  /** Whether failed hops match one. */
  readonly errors: boolean;
  /** Whether slow ones do. */
  readonly limitsDuration: boolean;
  /** Microseconds. */
  private readonly slowerThan: number;
  private readonly bucket: TokenBucket;

  constructor({ errors, slowerThan, perSecond }: TailSamplingConfig) {
    this.active = errors || slowerThan !== undefined;
    this.errors = errors;
    this.limitsDuration = slowerThan !== undefined;
    this.slowerThan = (slowerThan ?? Number.POSITIVE_INFINITY) * 1000;
    this.bucket = new TokenBucket(perSecond);
  }

  /** Whether the hop of the line that `line` has scanned may have taken too long: most have not. */
  mayBeSlow(line: RecordParser): boolean {
    const end = line.end ?? 0;
    const answered = line.number(Field.answered) ?? end;
    const request = Math.max(line.number(Field.TR) ?? 0, 0) * 1000;
    // The timers are whole milliseconds.
    return end - answered + request + 1000 > this.slowerThan;
  }

  /** The policy that this hop is exported by; undefined where none matches, or the rate limit is reached. */
  decide(record: HopRecord): TailPolicy | undefined {
    const { fault } = outcomeOf(record);
    const failed = this.errors && (fault === 'server' || fault === 'proxy');
    const reason = failed
      ? 'error'
      : record.end - record.start > this.slowerThan
        ? 'slow'
        : undefined;
    return reason !== undefined && this.bucket.tryTake() ? reason : undefined;
  }
}
