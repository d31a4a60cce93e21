import type { HopRecord, LineBytes } from './record.ts';

const [DASH, PLUS, ZERO, NINE] = [0x2d, 0x2b, 0x30, 0x39];
const OURS = 'otel ';

/** The log line that the user has of a hop; undefined where the message is there only to have the record sent (format.ts). */
export function ownLine({ kind, line }: HopRecord): LineBytes | undefined {
  if (line === undefined) return undefined;
  const { buffer, start, end } = line;
  if (kind === 'connection_error') {
    return buffer.toString('latin1', start, start + OURS.length) === OURS ? undefined : line;
  }
  // A dash, or a number of bytes.
  for (let i = start; i < end; i += 1) {
    const code = buffer[i] ?? 0;
    if (code !== DASH && code !== PLUS && (code < ZERO || code > NINE)) return line;
  }
  return undefined;
}
