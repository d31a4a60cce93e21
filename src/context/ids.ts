import { randomFillSync } from 'node:crypto';
import { writeHexByte } from './hex.ts';

const POOL_BYTES = 16_384;

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
        writeHexByte(target, position + i * 2, value);
      }
      this.used += bytes;
    } while (any === 0);
  }
}
