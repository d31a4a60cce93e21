// How figures of noisy machines are told.

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
