import { copyRecord } from './copy-record.ts';
import { failedConnection } from './failed-connection.ts';
import type { FieldValues } from './field-values.ts';
import { timeStart } from './head.ts';
import { LineTime } from './line-time.ts';
import { OwnParameters } from './own-parameters.ts';
import { RecentTexts } from './recent-texts.ts';
import type { AttributeValue, HopRecord, LineBytes } from './record.ts';
import { RecordView } from './record-view.ts';
import { FieldKind, RecordScanner } from './scanner.ts';
import { Field, KINDS, type Kind, RECORD_VERSION, SD_ID, TABLE } from './table.ts';
import { decode, isMissing, isText, readNumber } from './values.ts';

/** Parses HAProxy's log lines that carry a record (table.ts). Reuses what lines have in common. */
export class RecordParser implements FieldValues {
  private readonly scanner = new RecordScanner();
  private readonly time = new LineTime();
  private buffer: Buffer = Buffer.alloc(0);
  private lineEnd: number | undefined;
  /** The last text of each field: names and addresses repeat. */
  private readonly texts: string[] = TABLE.map(() => '');
  private readonly recent = new RecentTexts();
  private readonly own = new OwnParameters();
  private readonly record = new RecordView(this);
  private readonly range: { buffer: Buffer; start: number; end: number } = {
    buffer: Buffer.alloc(0),
    start: 0,
    end: 0,
  };

  /** As `view`, but a copy that stays valid. */
  parse(buffer: Buffer, start: number, end: number): HopRecord | undefined {
    const record = this.view(buffer, start, end);
    return record && copyRecord(record);
  }

  /**
   * The record of a line, valid as long as its bytes are and until the next is asked for.
   *
   * @returns undefined for a line that is no record, and no connection that failed before a request
   */
  view(buffer: Buffer, start: number, end: number): HopRecord | undefined {
    this.scan(buffer, start, end);
    if (this.scanner.kind === undefined) return failedConnection(buffer, start, end, this.end);
    return this.record.read() ? this.record : undefined;
  }

  /** Finds the values of a line, for `text` and `number`. */
  scan(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    const time = timeStart(buffer, start, end);
    this.lineEnd = time === -1 ? undefined : this.time.read(buffer, time);
    this.scanner.scan(buffer, start, end);
  }

  /** Whether this process of HAProxy was stopping, so that its ring delivers nothing any more. */
  isStopping(buffer: Buffer, start: number, end: number): boolean {
    this.scan(buffer, start, end);
    return this.number(Field.stopping) === 1;
  }

  /** Whether the hop of the line was reported before, when the headers of its reply went out. */
  get reported(): boolean {
    return this.number(Field.reported) === 1;
  }

  get kind(): Kind | undefined {
    return this.scanner.kind;
  }

  get end(): number | undefined {
    return this.lineEnd;
  }

  text(field: Field): string | undefined {
    const { scanner, buffer } = this;
    const kind = scanner.kinds[field] ?? FieldKind.ABSENT;
    if (kind === FieldKind.ABSENT) return undefined;
    const start = scanner.starts[field] ?? 0;
    const end = scanner.ends[field] ?? 0;
    if (isMissing(buffer, start, end)) return undefined;
    const last = this.texts[field] ?? '';
    if (kind !== FieldKind.PLAIN) return decode(buffer, start, end, kind);
    if (isText(last, buffer, start, end)) return last;
    const text = this.recent.read(buffer, start, end);
    this.texts[field] = text;
    return text;
  }

  bytes(field: Field): LineBytes | undefined {
    const { scanner, range } = this;
    if (scanner.kinds[field] !== FieldKind.PLAIN) return undefined;
    const start = scanner.starts[field] ?? 0;
    const end = scanner.ends[field] ?? 0;
    if (isMissing(this.buffer, start, end)) return undefined;
    range.buffer = this.buffer;
    range.start = start;
    range.end = end;
    return range;
  }

  number(field: Field): number | undefined {
    const { scanner, buffer } = this;
    if (scanner.kinds[field] === FieldKind.ABSENT) return undefined;
    return readNumber(buffer, scanner.starts[field] ?? 0, scanner.ends[field] ?? 0);
  }

  has(field: Field): boolean {
    return this.scanner.kinds[field] !== FieldKind.ABSENT;
  }

  get attributes(): Readonly<Record<string, AttributeValue>> {
    return this.own.read(this.buffer, this.scanner);
  }

  get line(): LineBytes | undefined {
    const { message } = this.scanner;
    return message.start < message.end ? message : undefined;
  }
}

/**
 * How many records HAProxy reports as dropped because its ring was full; 0 in any other line. There
 * may have been more: what was dropped between two such lines is counted, not what they displaced.
 *
 * 3.0 and later send a zero byte along, and the structured data of the line that comes next.
 */
export function droppedByRing(buffer: Buffer, start: number, end: number): number {
  if (buffer[end - 1] !== 0 && end - start > MAX_DROPPED_LENGTH) return 0;
  const text = buffer.toString('latin1', Math.max(start, end - MAX_DROPPED_LENGTH), end);
  return Number(DROPPED.exec(text)?.[1] ?? 0);
}

/** As HAProxy's sinks announce it, alone or as the message of a line. */
const DROPPED = /(?:^|[\]-] )(\d+) events? dropped\0?$/;
/** With a header that has a long host name. */
const MAX_DROPPED_LENGTH = 200;

/**
 * The version of a record that these lines of HAProxy's were not made for, or undefined. Version 1 was a JSON object in
 * place of the log line.
 */
export function otherVersion(buffer: Buffer, start: number, end: number): number | undefined {
  const head = buffer.toString('latin1', start, Math.min(end, start + MAX_HEAD_LENGTH));
  if (/^(?:<\d+>\S* .*?)?\{"(?:hop|kind|connection_error)":"/.test(head)) return 1;
  const version = Number(OTHER.exec(head)?.[1] ?? RECORD_VERSION);
  return version === RECORD_VERSION ? undefined : version;
}

const OTHER = new RegExp(
  `^<\\d+>1 .*? - (?:- - - \\[debug\\] otel: type=str <)?\\[${SD_ID} (?:${KINDS.join('|')})="(\\d+) `,
);
const MAX_HEAD_LENGTH = 400;
