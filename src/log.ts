import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Lines that could not be written wait, in bytes of text; further ones are dropped. */
const MOST_UNWRITTEN = 65_536;

/**
 * JSON lines on standard error, written at once: nothing is logged per request, and what is logged
 * must not be lost when the process ends. An error is the field `err`: of any other pino writes `{}`.
 *
 * @param bindings fields of every line, as which thread it comes from
 * @param journal standard error is the journal: each line begins with its level there
 */
export function createLogger(
  level: string,
  bindings: Record<string, unknown>,
  journal: boolean,
): Logger {
  const stderr = pino.destination({ fd: 2, sync: true, maxLength: MOST_UNWRITTEN });
  // A disk that is full costs lines, and not the agent. They are written with the next one, once there is room.
  stderr.on('error', () => {});
  return pino(
    {
      level,
      base: { ...bindings },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    journal ? withPriorities(stderr) : stderr,
  );
}

/** syslog's numbers for pino's levels, as sd-daemon(3) has them; the first that is not above. */
const PRIORITIES: readonly (readonly [level: number, priority: number])[] = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
  [0, 7],
];

function journalPriority(level: number): number {
  return PRIORITIES.find(([from]) => level >= from)?.[1] ?? 7;
}

/** pino sets `lastLevel` before each line on a stream that asks for it by this symbol. */
function withPriorities(destination: DestinationStream): DestinationStream {
  return {
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 0,
    write(line: string): void {
      destination.write(`<${journalPriority(this.lastLevel)}>${line}`);
    },
  } as DestinationStream & { lastLevel: number };
}
