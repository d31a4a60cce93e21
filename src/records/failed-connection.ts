import { copyRecord } from './copy-record.ts';
import { contentStart } from './head.ts';
import type { HopRecord } from './record.ts';
import { RecordView } from './record-view.ts';
import { Field } from './table.ts';

/**
 * The line that HAProxy itself writes for a connection that failed before a request, where the proxy has no
 * `error-log-format`; before 3.1 no structured data is in it:
 *
 *     192.0.2.1:5000 [23/Nov/2026:12:00:00.000] www/1: SSL handshake failure
 */
const LINE =
  /^([^ ]+):(\d+) \[\d+\/\w+\/\d+:(\d\d):(\d\d):(\d\d)\.(\d{3})\] ([^ /]+)\/[^ ]+: ([A-Z][^"\n]*)$/;

const MAX_LENGTH = 512;
const DAY = 86_400_000;
const LOCAL_TIME = /T(\d\d):(\d\d):(\d\d)\.(\d{3})/;

/**
 * @param written when the line was, in microseconds
 * @returns undefined for any other line
 */
export function failedConnection(
  buffer: Buffer,
  start: number,
  end: number,
  written: number | undefined,
): HopRecord | undefined {
  if (written === undefined || end - start > MAX_LENGTH) return undefined;
  const content = contentStart(buffer, start, end);
  const parts = content === -1 ? null : LINE.exec(buffer.toString('utf8', content, end));
  if (parts === null) return undefined;
  const [, address = '', port = '', , , , , frontend = '', error = ''] = parts;
  const now = LOCAL_TIME.exec(buffer.toString('latin1', start, content));
  // Both in local time, the line's with its offset.
  const age = (timeOfDay(now, 1) - timeOfDay(parts, 3) + DAY) % DAY;
  const values = new Map<Field, string>([
    [Field.frontend, frontend],
    [Field.client_address, address],
    [Field.client_port, port],
    [Field.error, error],
    [Field.accepted, String(Math.floor(written / 1000) - age)],
  ]);
  const view = new RecordView({
    kind: 'http',
    end: written,
    text: (field) => values.get(field),
    bytes: () => undefined,
    number: (field) => (values.has(field) ? Number(values.get(field)) : undefined),
    has: (field) => values.has(field),
    attributes: {},
    line: { buffer, start: content, end },
  });
  return view.read() ? copyRecord(view) : undefined;
}

/** Milliseconds of the hours, minutes, seconds and milliseconds from group `first` on. */
function timeOfDay(match: RegExpExecArray | null, first: number): number {
  const [hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = (match ?? [])
    .slice(first, first + 4)
    .map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds;
}
