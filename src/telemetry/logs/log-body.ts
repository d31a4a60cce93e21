import { isUtf8 } from 'node:buffer';
import type { HopRecord, LineBytes } from '../../records/record.ts';
import { redactLine } from '../../records/redaction.ts';
import type { LogsConfig } from '../config.ts';

/** @param line the user's, which there may be none of: then the body is the summary */
export function bodyOf(
  record: HopRecord,
  line: LineBytes | undefined,
  body: LogsConfig['body'],
): string | LineBytes {
  if (line === undefined || body === 'summary') return summaryOf(record);
  return redactedLine(line, record.query);
}

const [QUESTION_MARK, EQUALS] = [0x3f, 0x3d];

/** The line as it is, unless there may be something to redact in it, or it is no valid text. @param query of the hop */
export function redactedLine(line: LineBytes, query: string | undefined): string | LineBytes {
  const bytes = line.buffer.subarray(line.start, line.end);
  const has = (query ?? '') !== '' || bytes.includes(QUESTION_MARK) || bytes.includes(EQUALS);
  if (has) return redactLine(bytes.toString(), query ?? '');
  return isUtf8(bytes) ? line : bytes.toString();
}

/** `GET /a 200 www app/app1 ---- 46ms`, a dash for what there is not. */
function summaryOf(record: HopRecord): string {
  const { kind, method, path, statusCode, frontend, backend, server, terminationState } = record;
  if (kind === 'connection_error') return `${frontend} ${record.connectionError ?? MISSING}`;
  const request = kind === 'http' ? [method, path === '' ? MISSING : path, statusCode] : [];
  const target = backend === undefined ? undefined : `${backend}/${server?.name ?? MISSING}`;
  const duration = `${Math.round((record.end - record.start) / 1000)}ms`;
  return [...request, frontend, target, terminationState, duration]
    .map((each) => each ?? MISSING)
    .join(' ');
}

const MISSING = '-';
