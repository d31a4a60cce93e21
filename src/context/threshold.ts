/**
 * Thresholds and randomness of OpenTelemetry's consistent probability sampling (specification, "TraceState:
 * Probability Sampling"): 56 bits each, stored as 14 lower-case hexadecimal digits, which compare as the numbers do.
 */
import { hexDigit } from './hex.ts';
import { TRACE_ID_DIGITS } from './traceparent.ts';

const RANDOMNESS_DIGITS = 14;

/** Significant digits of a threshold made from a ratio: what the specification recommends. */
const PRECISION = 4;

/** The smallest ratio; below it nothing is sampled. */
const MIN_RATIO = 2 ** -56;

/** What is rejected: every trace whose randomness is below. */
export type Threshold = {
  /** As the sub-key `th` has it: without zeros at its end. */
  readonly th: string;
  /** All 14 digits, as ASCII codes. */
  readonly digits: Uint8Array;
};

/** @param th 1 to 14 lower-case hexadecimal digits; zeros at its end do not count */
export function threshold(th: string): Threshold {
  const short = th.replace(/0+$/, '') || '0';
  return { th: short, digits: Buffer.from(short.padEnd(RANDOMNESS_DIGITS, '0'), 'latin1') };
}

/** Samples everything. */
export const ALWAYS_SAMPLE: Threshold = threshold('0');

/**
 * The threshold that samples `ratio` of all traces, 0 to 1, to four significant digits: 0.1 is `e666`.
 *
 * @returns undefined where nothing is sampled
 */
export function thresholdOf(ratio: number): Threshold | undefined {
  if (!(ratio >= MIN_RATIO)) return undefined;
  if (ratio >= 1) return ALWAYS_SAMPLE;
  // Thresholds of small ratios begin with digits f, which are not significant.
  const exponent = Math.floor(Math.log2(ratio)) + 1;
  const precision = Math.min(RANDOMNESS_DIGITS, PRECISION + Math.floor(-exponent / 4));
  const unit = 16 ** precision;
  const sampled = Math.max(1, Math.round(ratio * unit));
  return threshold(
    (BigInt(unit) - BigInt(sampled))
      .toString(16)
      .padStart(precision, '0')
      .slice(0, RANDOMNESS_DIGITS),
  );
}

/** Randomness is below this. */
const RANDOMNESS_RANGE = 2n ** 56n;
/** Of the randomness that there is, what one millionth of all traces has. */
const MILLIONTH = RANDOMNESS_RANGE / 1_000_000n;

/**
 * The threshold of HAProxy's own sampling rules for a ratio: they read millionths, and anything that begins with `1`
 * as all.
 *
 * @param ratio as HAProxy has it: digits, with or without decimals
 * @returns undefined where nothing is sampled
 */
export function thresholdInMillionths(ratio: string): Threshold | undefined {
  const [whole, decimals] = ratio.split('.');
  if (whole === '1') return ALWAYS_SAMPLE;
  const millionths = BigInt(/^\d+/.exec(decimals?.padEnd(6, '0').slice(0, 6) ?? '')?.[0] ?? 0);
  if (millionths === 0n) return undefined;
  const rejected = RANDOMNESS_RANGE - millionths * MILLIONTH;
  return threshold(rejected.toString(16).padStart(RANDOMNESS_DIGITS, '0'));
}

/** Whether the 14 digits at `bytes[position]` are at least the threshold. */
export function reaches(bytes: Uint8Array, position: number, { digits }: Threshold): boolean {
  for (let i = 0; i < RANDOMNESS_DIGITS; i += 1) {
    const difference = hexDigit(bytes[position + i] ?? 0) - hexDigit(digits[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Where the random part of the trace id at `traceId` starts (W3C Trace Context Level 2, "trace-id"). */
export function randomnessOf(traceId: number): number {
  return traceId + TRACE_ID_DIGITS - RANDOMNESS_DIGITS;
}
