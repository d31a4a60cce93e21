import { randomFillSync } from 'node:crypto';
import { viewOf } from '../bytes.ts';
import { SPAN_ID_DIGITS, TRACE_ID_DIGITS } from './traceparent.ts';

/** Random bytes that are fetched at a time; each becomes two digits. */
const POOL_BYTES = 8_192;
const WORD = 4;
/** Four digits 0. */
const ZEROS = 0x30303030;

/**
 * Random identifiers in lower-case hexadecimal, written straight into somebody's buffer. The bytes
 * come from the system's cryptographic source, a pool at a time.
 */
export class RandomIds {
  private readonly bytes = Buffer.allocUnsafeSlow(POOL_BYTES);
  private readonly digits = Buffer.allocUnsafeSlow(POOL_BYTES * 2);
  private readonly pool = viewOf(this.digits);
  private used = this.digits.length;

  /** Writes 32 digits that are not all zero. */
  traceId(target: DataView, position: number): void {
    this.write(target, position, TRACE_ID_DIGITS);
  }

  /** Writes 16 digits that are not all zero. */
  spanId(target: DataView, position: number): void {
    this.write(target, position, SPAN_ID_DIGITS);
  }

  private write(target: DataView, position: number, digits: number): void {
    let any = 0;
    do {
      if (this.used + digits > this.digits.length) this.fill();
      for (let i = 0; i < digits; i += WORD) {
        const word = this.pool.getUint32(this.used + i);
        any |= word ^ ZEROS;
        target.setUint32(position + i, word);
      }
      this.used += digits;
    } while (any === 0);
  }

  private fill(): void {
    randomFillSync(this.bytes);
    this.digits.write(this.bytes.toString('hex'), 'latin1');
    this.used = 0;
  }
}
