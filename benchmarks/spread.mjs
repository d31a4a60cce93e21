// How figures of noisy machines are reported.
import { createHistogram } from 'node:perf_hooks';

/** Minimum, median and maximum. */
export function spreadOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
}

/** The same as text: one value alone is itself, and no value nothing. */
export function spread(values, digits) {
  const [first] = values;
  if (first === undefined) return '';
  if (values.length === 1) return first.toFixed(digits);
  return spreadOf(values)
    .map((value) => value.toFixed(digits))
    .join(' / ');
}

/** A histogram of times in milliseconds, as Node's own have them: in nanoseconds, to three digits. */
export function histogramOf(milliseconds) {
  const histogram = createHistogram();
  for (const each of milliseconds) histogram.record(Math.max(1, Math.round(each * 1e6)));
  return histogram;
}

/** Of a histogram in nanoseconds, in milliseconds. */
export function percentilesOf(histogram) {
  const at = (percentile) => histogram.percentile(percentile) / 1e6;
  return { p50: at(50), p99: at(99), p999: at(99.9), max: histogram.max / 1e6 };
}
