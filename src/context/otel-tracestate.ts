/**
 * The member `ot` of tracestate (OpenTelemetry specification, "TraceState Handling"): sub-keys with their values,
 * `th:c;rv:6e6d1a75832a2f;other:x`. Sub-keys that are not about sampling are propagated unchanged.
 */
import { type Threshold, threshold } from './threshold.ts';

/** The key under which it stands in tracestate. */
export const OTEL_KEY = 'ot';

/** The longest value of the member, in characters. */
const MAX_LENGTH = 256;

const TH = /^th:([0-9a-f]{1,14})$/;
const RV = /^rv:([0-9a-f]{14})$/;

export type OtelTracestate = {
  /** As it came. */
  readonly value: string;
  /** The caller's threshold; undefined where there is none, or none that is well-formed. */
  readonly threshold: Threshold | undefined;
  /** Randomness to use in place of the trace id's, 14 digits, as ASCII codes. */
  readonly randomness: Uint8Array | undefined;
  /** The value of the member with another threshold, or without one; empty when nothing is left. */
  with(threshold: Threshold | undefined): string;
};

/** @param value the value of the member */
export function parseOtelTracestate(value: string): OtelTracestate {
  const parts = value.split(';');
  const [th, ...moreTh] = parts.filter((part) => part.startsWith('th:'));
  const [rv, ...moreRv] = parts.filter((part) => part.startsWith('rv:'));
  const others = parts.filter((part) => part !== '' && !/^(th|rv):/.test(part));
  const callers = digits(TH, th);
  const randomness = digits(RV, rv);
  const isPlain =
    moreTh.length + moreRv.length === 0 &&
    (th === undefined) === (callers === undefined) &&
    (rv === undefined) === (randomness === undefined);
  const parsed = callers === undefined ? undefined : threshold(callers);
  return {
    value,
    threshold: parsed,
    randomness: randomness === undefined ? undefined : Buffer.from(randomness, 'latin1'),
    with: (next) => (isPlain && next?.th === parsed?.th ? value : format(next, randomness, others)),
  };
}

/** The value of a member that has only a threshold. */
export function formatThreshold({ th }: Threshold): string {
  return `th:${th}`;
}

function digits(pattern: RegExp, part: string | undefined): string | undefined {
  return part === undefined ? undefined : pattern.exec(part)?.[1];
}

/** Where it gets too long, what is not about sampling goes first, from the end. */
function format(
  next: Threshold | undefined,
  rv: string | undefined,
  others: readonly string[],
): string {
  const parts = [
    ...(next === undefined ? [] : [formatThreshold(next)]),
    ...(rv === undefined ? [] : [`rv:${rv}`]),
    ...others,
  ];
  while (parts.join(';').length > MAX_LENGTH) parts.pop();
  return parts.join(';');
}
