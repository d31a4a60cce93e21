import { contentStart, stands, timeStart } from './head.ts';
import { LineTime } from './line-time.ts';
import type { LineBytes } from './record.ts';
import { SD_ID } from './table.ts';

/** HAProxy's names of syslog's levels, by their number. */
const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;
export type Level = (typeof LEVELS)[number];

/** A line without a record: a log line of a frontend that is not traced, or HAProxy's own message about itself. */
export type Message = {
  /** When it was written, in microseconds since the epoch. */
  readonly time: number;
  readonly level: Level;
  /** The bytes are valid only during the call that receives the message. */
  readonly line: LineBytes;
  readonly about: MessageSubject | undefined;
};

/** Whose state a message reports. */
export type MessageSubject = {
  readonly kind: 'server' | 'health_check' | 'backend';
  readonly backend: string;
  readonly server: string | undefined;
  /** What the operator asked for, as maintenance, or the end of it. */
  readonly planned: boolean;
  readonly failed: boolean;
};

/** That of a line that was cut too early. */
const RECORD = Buffer.from(`[${SD_ID} `);

/** `<133>1 TIME HOST PROGRAM PID - - text`, of a logger with `format rfc5424`. */
export class MessageReader {
  private readonly time = new LineTime();

  /** @returns undefined for what is no such line */
  read(buffer: Buffer, start: number, end: number): Message | undefined {
    const at = timeStart(buffer, start, end);
    const text = contentStart(buffer, start, end);
    if (at === -1 || text === -1 || text >= end || stands(RECORD, buffer, text, end))
      return undefined;
    const time = this.time.read(buffer, at);
    const level = LEVELS[priorityOf(buffer, start) % LEVELS.length];
    if (time === undefined || level === undefined) return undefined;
    const line = { buffer, start: text, end };
    return { time, level, line, about: subjectOf(line) };
  }
}

function priorityOf(buffer: Buffer, start: number): number {
  return Number(/^<(\d+)>/.exec(buffer.toString('latin1', start, start + 5))?.[1]);
}

/** Longer names than any that is in use. */
const MAX_LENGTH = 512;

/** As server.c and check.c have them; what belongs to `option log-health-checks` starts with its name. */
const SERVER = /^(?:Backup )?Server ([^ /]+)\/(\S+) (.*)/;
const HEALTH_CHECK = /^Health check for (?:backup )?server ([^ /]+)\/(\S+) (.*)/;
const BACKEND = /^(?:backend|proxy|listener) (\S+) has no server available!/;

const PLANNED = /maintenance|forced drain|is stopping/;

function subjectOf({ buffer, start, end }: LineBytes): MessageSubject | undefined {
  const text = buffer.toString('utf8', start, Math.min(end, start + MAX_LENGTH));
  const [, checked, checkedServer, check] = HEALTH_CHECK.exec(text) ?? [];
  if (checked !== undefined) {
    const failed = check?.startsWith('failed') ?? false;
    return {
      kind: 'health_check',
      backend: checked,
      server: checkedServer,
      planned: false,
      failed,
    };
  }
  const [, of, server, state = ''] = SERVER.exec(text) ?? [];
  if (of !== undefined) {
    const planned = PLANNED.test(state);
    return { kind: 'server', backend: of, server, planned, failed: state.includes('DOWN') };
  }
  const backend = BACKEND.exec(text)?.[1];
  if (backend === undefined) return undefined;
  return { kind: 'backend', backend, server: undefined, planned: false, failed: true };
}
