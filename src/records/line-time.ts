import { TIME_LENGTH } from './head.ts';

/** `yyyy-mm-ddThh:mm:ss`, before the microseconds; the offset is behind them. */
const SECONDS_LENGTH = 19;
const OFFSET_START = 26;
const ZERO = 0x30;
const SECONDS = /^\d{4}(-\d\d){2}T\d\d(:\d\d){2}[+-]\d\d:\d\d$/;
/** Seconds since the epoch, in 2262: OTLP's times are nanoseconds of 64 bits. */
const LATEST = 2 ** 63 / 1e9;

/** Reads the time of lines, `2026-11-23T12:00:00.123456+01:00`. Many have the same second. */
export class LineTime {
  private readonly known = Buffer.alloc(TIME_LENGTH);
  /** Of the known second, since the epoch; NaN where it is none. */
  private seconds = Number.NaN;

  /** @returns microseconds since the epoch; undefined for what is no time */
  read(buffer: Buffer, start: number): number | undefined {
    if (!this.isKnown(buffer, start, 0, SECONDS_LENGTH)) this.learn(buffer, start);
    else if (!this.isKnown(buffer, start, OFFSET_START, TIME_LENGTH)) this.learn(buffer, start);
    let microseconds = 0;
    for (let i = start + SECONDS_LENGTH + 1; i < start + OFFSET_START; i += 1) {
      const digit = (buffer[i] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) return undefined;
      microseconds = microseconds * 10 + digit;
    }
    const time = this.seconds * 1_000_000 + microseconds;
    return Number.isNaN(time) ? undefined : time;
  }

  private isKnown(buffer: Buffer, start: number, from: number, to: number): boolean {
    for (let i = from; i < to; i += 1) if (buffer[start + i] !== this.known[i]) return false;
    return true;
  }

  private learn(buffer: Buffer, start: number): void {
    buffer.copy(this.known, 0, start, start + TIME_LENGTH);
    const text = this.known.toString('latin1');
    const time = text.slice(0, SECONDS_LENGTH) + text.slice(OFFSET_START);
    const seconds = SECONDS.test(time) ? Date.parse(time) / 1000 : Number.NaN;
    this.seconds = seconds >= 0 && seconds < LATEST ? seconds : Number.NaN;
  }
}
