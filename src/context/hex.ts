/** Lower-case hexadecimal digits, as ASCII codes. */

const DIGITS = '0123456789abcdef';
const NOT_A_DIGIT = 255;

/** For each byte its two digits. */
const PAIRS = new Uint8Array(512);
/** For each code the value of the digit. */
const VALUES = new Uint8Array(256).fill(NOT_A_DIGIT);
for (let value = 0; value < 256; value += 1) {
  PAIRS[value * 2] = DIGITS.charCodeAt(value >> 4);
  PAIRS[value * 2 + 1] = DIGITS.charCodeAt(value & 0x0f);
}
for (let value = 0; value < 16; value += 1) VALUES[DIGITS.charCodeAt(value)] = value;

/** Writes `value`, 0 to 255, as two digits. */
export function writeHexByte(target: Uint8Array, position: number, value: number): void {
  target[position] = PAIRS[value * 2] ?? 0;
  target[position + 1] = PAIRS[value * 2 + 1] ?? 0;
}

/** The value of a digit by its code; above 15 for anything else. */
export function hexDigit(code: number): number {
  return VALUES[code] ?? NOT_A_DIGIT;
}
