/** Lower-case hexadecimal digits, as ASCII codes. */

const DIGITS = '0123456789abcdef';
const NOT_A_DIGIT = 255;

/** For each byte its two digits, the first in the high byte. */
const PAIRS = new Uint16Array(256);
/** For each code the value of the digit. */
const VALUES = new Uint8Array(256).fill(NOT_A_DIGIT);
for (let value = 0; value < 256; value += 1) {
  PAIRS[value] = (DIGITS.charCodeAt(value >> 4) << 8) | DIGITS.charCodeAt(value & 0x0f);
}
for (let value = 0; value < 16; value += 1) VALUES[DIGITS.charCodeAt(value)] = value;

/** The two digits of `value`, 0 to 255, as the codes of two bytes: the first is the high one. */
export function hexPair(value: number): number {
  return PAIRS[value] ?? 0;
}

/** The value of a digit by its code; above 15 for anything else. */
export function hexDigit(code: number): number {
  return VALUES[code] ?? NOT_A_DIGIT;
}
