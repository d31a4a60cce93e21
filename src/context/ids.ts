import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 4096;

const ASCII = '0123456789abcdef';
/** For each byte its two hexadecimal digits, as ASCII codes. */
const HEX = new Uint8Array(512);
for (let value = 0; value < 256; value += 1) {
  HEX[value * 2] = ASCII.charCodeAt(value >> 4);
  HEX[value * 2 + 1] = ASCII.charCodeAt(value & 0x0f);
}

/**
 * Random identifiers in lower-case hexadecimal, written straight into somebody's buffer. The bytes
 * come from the system's cryptographic source, a pool at a time.
 */
export class RandomIds {
  private readonly pool = Buffer.allocUnsafeSlow(POOL_BYTES);
  private used = POOL_BYTES;

  /** Writes 32 digits that are not all zero, at `target[position]`. */
  traceId(target: Buffer, position: number): void {
    this.write(target, position, 16);
  }

  /** Writes 16 digits that are not all zero, at `target[position]`. */
  spanId(target: Buffer, position: number): void {
    this.write(target, position, 8);
  }

  private write(target: Buffer, position: number, bytes: number): void {
    let any = 0;
    do {
      if (this.used + bytes > POOL_BYTES) {
        randomFillSync(this.pool);
        this.used = 0;
      }
      for (let i = 0; i < bytes; i += 1) {
        const value = this.pool[this.used + i] ?? 0;
        any |= value;
        target[position + i * 2] = HEX[value * 2] ?? 0;
        target[position + i * 2 + 1] = HEX[value * 2 + 1] ?? 0;
      }
      this.used += bytes;
    } while (any === 0);
  }
}

/** Writes `value`, 0 to 255, as two hexadecimal digits. */
export function writeHexByte(target: Buffer, position: number, value: number): void {
  target[position] = HEX[value * 2] ?? 0;
  target[position + 1] = HEX[value * 2 + 1] ?? 0;
}
