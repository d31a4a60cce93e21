const BYTES: Readonly<Record<string, number>> = { k: 1_024, m: 1_048_576, g: 1_073_741_824 };

/** HAProxy's sizes, section 2.6, in bytes. @returns undefined for what is none */
export function parseSize(text: string | undefined): number | undefined {
  const [, digits, unit] = /^(\d+)([kmg])?$/i.exec(text ?? '') ?? [];
  return digits === undefined
    ? undefined
    : Number(digits) * (BYTES[unit?.toLowerCase() ?? ''] ?? 1);
}
