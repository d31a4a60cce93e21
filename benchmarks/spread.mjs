// How figures of noisy machines are told.

/** Minimum, median and maximum. */
export function spreadOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
}

/** The same as text; empty where there are no values. */
export function spread(values, digits) {
  if (values.length === 0) return '';
  return spreadOf(values)
    .map((value) => value.toFixed(digits))
    .join(' / ');
}
