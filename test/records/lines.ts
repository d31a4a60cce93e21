import { createHash } from 'node:crypto';
import { recordText } from '../../src/records/format.ts';
import { Field, type FieldName, type Kind } from '../../src/records/table.ts';

/** Values of a record, as HAProxy writes them; `end` is when the line was written, in microseconds. */
export const FIELDS = {
  stopping: 0,
  reported: 0,
  status: 200,
  termination_state: '----',
  retries: '0',
  accepted: 1_795_418_260_807,
  received: 1_795_418_260_807_572,
  answered: 1_795_418_260_807_872,
  Th: 0,
  Ti: 0,
  TR: 0,
  Tw: 0,
  Tc: 1,
  Tr: 44,
  Td: 0,
  frontend: 'www',
  backend: 'app',
  server: 'app1',
  client_address: '192.0.2.7',
  client_port: '43626',
  frontend_address: '198.51.100.1',
  frontend_port: '8080',
  server_address: '10.0.0.9',
  server_port: '8090',
  server_tls: '-',
  bytes_uploaded: 97,
  bytes_read: 103,
  server_queue: 0,
  backend_queue: 0,
  protocol: '1.1',
  method: 'GET',
  host: 'shop.example',
  user_agent: 'tester/1.0',
  target: '/a',
  route: '-',
  request_id: 'req-1',
  tracestate: '-',
  end: 1_795_418_260_853_713,
} as const satisfies Partial<Record<FieldName | 'end', string | number>>;

/**
 * What changes in a record: fields by name, what `kind` it is of, its `end`, `own` parameters of the user's by name, and
 * the `message` behind it.
 */
export type Changes = Readonly<Record<string, unknown>>;

/** A hop with ids of its own for each number. */
export function hopOf(index: number, flags = '03'): string {
  const ids = createHash('sha256').update(String(index)).digest('hex');
  return `${ids.slice(0, 32)}-${ids.slice(32, 48)}-${flags}-${ids.slice(48, 64)}`;
}

/** A line with a record, with these fields changed. */
export function recordLine(hop: string = hopOf(1), changes: Changes = {}): string {
  const { end = FIELDS.end, message = 'the line of the user', ...fields } = changes;
  return `<134>1 ${lineTime(Number(end))} lb haproxy 1234 - ${recordElement(hop, fields)} ${message}`;
}

/** The same as the `debug` converter writes it. */
export function replyLine(hop: string, changes: Changes = {}): string {
  const { end = FIELDS.end, ...fields } = changes;
  const printable = Buffer.from(recordElement(hop, fields))
    .toString('latin1')
    .replace(/[^ -~]/g, '.');
  return `<0>1 ${lineTime(Number(end))} - - - - - [debug] otel: type=str <${printable}>`;
}

/** The record alone. */
export function recordElement(hop: string, changes: Changes): string {
  const { kind = 'http', own = {}, ...fields } = changes;
  const values: Changes = { ...FIELDS, hop, ...fields };
  const unknown = Object.keys(fields).filter((name) => !(name in Field));
  if (unknown.length > 0) throw new Error(`no fields of a record: ${unknown}`);
  const ownParameters = Object.entries(own as object).map(
    ([name, value]) => `${name}="${escaped(String(value))}"`,
  );
  return recordText(
    kind as Kind,
    ({ name, in: where }) => {
      const value = values[name];
      if (value === undefined) return undefined;
      return where === 'place' && name !== 'method' ? String(value) : escaped(String(value));
    },
    [],
    ownParameters,
  );
}

/** As `%{+E}` does. */
export function escaped(text: string): string {
  return text.replace(/["\\\]]/g, '\\$&');
}

/** `2026-11-23T12:00:00.123456+00:00`, of microseconds since the epoch. */
export function lineTime(microseconds: number): string {
  const seconds = new Date(Math.floor(microseconds / 1_000_000) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(microseconds % 1_000_000).padStart(6, '0')}+00:00`;
}

/** As HAProxy's rings send it: `log-proto octet-count`. */
export function octetCounted(line: string): string {
  return `${Buffer.byteLength(line)} ${line}`;
}
