const MILLISECONDS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTES: Readonly<Record<string, number>> = { k: 1_024, m: 1_048_576, g: 1_073_741_824 };

/** HAProxy's durations, section 2.5, in milliseconds. @returns undefined for what is none */
export function parseTime(text: string | undefined): number | undefined {
  const [, digits, unit] = /^(\d+)(us|ms|s|m|h|d)?$/.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits) * (MILLISECONDS[unit ?? 'ms'] ?? 1);
}

/** HAProxy's sizes, section 2.6, in bytes. @returns undefined for what is none */
export function parseSize(text: string | undefined): number | undefined {
  const [, digits, unit] = /^(\d+)([kmg])?$/i.exec(text ?? '') ?? [];
  return digits === undefined
    ? undefined
    : Number(digits) * (BYTES[unit?.toLowerCase() ?? ''] ?? 1);
}
