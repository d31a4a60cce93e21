/**
 * The record of a hop, as HAProxy writes it: structured data (RFC 5424, section 6.3), of which the log line that
 * the user has is the message.
 *
 *     [otel@0 http="2 PLACE PLACE …" host="…" user_agent="…" …]
 *
 * What HAProxy itself writes stands by its place in the first parameter, whose name is the kind of hop and whose first
 * word is the version of this table. What a client controls stands in parameters of its own, escaped (`%{+E}`).
 *
 * This table is all there is: the lines for HAProxy (format.ts), the parser (record-parser.ts), the lines of tests and
 * benchmarks, and the reference are made from it.
 */

/** A record of another version was written by the lines of another release. */
export const RECORD_VERSION = 2;

/** The enterprise number 0 is reserved: no vendor's structured data has this name. */
export const SD_ID = 'otel@0';

/**
 * How a record is written. `profile`: structured data of the ring logger's own `log-profile`, from HAProxy 3.1 on.
 * `format`: the proxy's `log-format-sd`. `reply`: when the headers of a reply go out, whatever becomes of its body.
 */
export type Way = 'profile' | 'format' | 'reply';

/** What a record can be of, by the name of its first parameter. */
export const KINDS = ['http', 'tcp'] as const;
export type Kind = (typeof KINDS)[number];

/** HAProxy's word for a value that it does not have. */
export const MISSING = '-';

/** A log variable or sample of HAProxy's, the same in all ways or by way; where none is named there is none. */
type Value = string | Partial<Record<Way, string>>;

export type Row = {
  readonly name: string;
  /**
   * `place`: of the first parameter. `request`: a parameter whose value is a sample that is read when the request has
   * come, and before it is changed. `noted`: one that a rule adds to these where the user's own rules make a
   * difference, and that is otherwise not there. `parameter`: one that is read when the line is written. `own`: one
   * that is not in HAProxy's lines, unless a step of a `log-profile`, the environment or a user's own parameters have
   * it. `last`: a parameter behind the user's own, so long that it may have to be cut.
   */
  readonly in: 'place' | 'request' | 'noted' | 'parameter' | 'own' | 'last';
  /** What is noted again has changed: the last of equal names is the one, not the first. */
  readonly isLast?: true;
  /** Undefined where records of the kind do not have it. */
  readonly http?: Value;
  readonly tcp?: Value;
  readonly means: string;
};

/**
 * Places first, in their order: `stopping`, `reported` and `hop` are found in the first bytes (head.ts);
 * `method` is the last of them, the only one whose text a client chooses.
 */
export const ROWS = [
  {
    name: 'stopping',
    in: 'place',
    http: { profile: '0', format: '%[stopping]', reply: '0' },
    tcp: { profile: '0', format: '%[stopping]' },
    means: '1: the process is stopping, its ring delivers nothing any more',
  },
  {
    name: 'reported',
    in: 'place',
    http: { profile: '0', format: '0', reply: '0' },
    tcp: { profile: '0', format: '0' },
    means: '1: the hop was reported when the headers of its reply went out',
  },
  { name: 'hop', in: 'place', http: '%[var(txn.otel.hop,-)]', means: 'ids of the hop' },
  { name: 'status', in: 'place', http: '%ST', means: 'status' },
  {
    name: 'termination_state',
    in: 'place',
    http: { profile: '%tsc', format: '%tsc' },
    tcp: '%ts',
    means: 'who ended it, and in which phase',
  },
  { name: 'retries', in: 'place', http: '%rc', tcp: '%rc', means: '+: to another server' },
  {
    name: 'start',
    in: 'place',
    http: { profile: '%[request_date(us)]' },
    means: 'first byte of the request, microseconds',
  },
  {
    name: 'accepted',
    in: 'place',
    http: '%Ts%ms',
    tcp: '%Ts%ms',
    means: 'accepted, or idle again, milliseconds',
  },
  {
    name: 'received',
    in: 'place',
    http: '%[var(txn.otel.received,0)]',
    tcp: '%[var(txn.otel.received,0)]',
    means: 'before the agent was asked, microseconds',
  },
  { name: 'Th', in: 'place', http: '%Th', tcp: '%Th', means: 'milliseconds' },
  { name: 'Ti', in: 'place', http: '%Ti', means: 'milliseconds' },
  { name: 'TR', in: 'place', http: '%TR', means: 'milliseconds' },
  { name: 'Tw', in: 'place', http: '%Tw', tcp: '%Tw', means: 'milliseconds' },
  { name: 'Tc', in: 'place', http: '%Tc', tcp: '%Tc', means: 'milliseconds' },
  { name: 'Tr', in: 'place', http: '%Tr', means: 'milliseconds' },
  { name: 'Td', in: 'place', http: { profile: '%Td', format: '%Td' }, means: 'milliseconds' },
  { name: 'frontend', in: 'place', http: '%ft', tcp: '%ft', means: '~ behind it: with TLS' },
  { name: 'backend', in: 'place', http: '%b', tcp: '%b', means: 'backend' },
  { name: 'server', in: 'place', http: '%s', tcp: '%s', means: '<…> where there was none' },
  { name: 'client_address', in: 'place', http: '%[src,hex]', tcp: '%ci', means: 'client' },
  { name: 'client_port', in: 'place', http: '%cp', tcp: '%cp', means: 'client' },
  // Those of failed connections have it, too (format.ts).
  { name: 'frontend_address', in: 'place', tcp: '%fi', means: 'what the client connected to' },
  { name: 'frontend_port', in: 'place', tcp: '%fp', means: 'what the client connected to' },
  { name: 'server_address', in: 'place', http: '%[bc_dst,hex]', tcp: '%si', means: 'server' },
  { name: 'server_port', in: 'place', http: '%sp', tcp: '%sp', means: 'server' },
  {
    name: 'server_tls',
    in: 'place',
    http: '%[var(txn.otel.server_tls,-)]',
    means: '1: the server speaks TLS',
  },
  {
    name: 'bytes_uploaded',
    in: 'place',
    http: { profile: '%U', format: '%U' },
    tcp: '%U',
    means: 'bytes',
  },
  {
    name: 'bytes_read',
    in: 'place',
    http: { profile: '%B', format: '%B' },
    tcp: '%B',
    means: 'bytes',
  },
  { name: 'server_queue', in: 'place', http: '%sq', tcp: '%sq', means: 'others before it' },
  { name: 'backend_queue', in: 'place', http: '%bq', tcp: '%bq', means: 'others before it' },
  { name: 'method', in: 'place', http: '%{+E}HM', means: 'method of the request' },

  {
    name: 'answered',
    in: 'request',
    http: 'date(0,us)',
    means: 'when the agent had answered, microseconds',
  },
  { name: 'host', in: 'request', http: 'req.hdr(host),bytes(0,256)', means: 'Host header' },
  {
    name: 'user_agent',
    in: 'request',
    http: 'req.fhdr(user-agent),bytes(0,1024)',
    means: 'User-Agent header',
  },
  { name: 'protocol', in: 'request', http: 'req.ver', means: 'version of HTTP' },
  {
    name: 'wait',
    in: 'noted',
    http: 'var(txn.otel.wait,-1)',
    means: 'for the agent, milliseconds; others held the request up too',
  },
  {
    name: 'peer_address',
    in: 'noted',
    http: 'var(txn.otel.peer,unix)',
    tcp: 'fc_src',
    means: 'of the connection, where rules set another client',
  },
  {
    name: 'peer_port',
    in: 'noted',
    http: 'fc_src_port',
    tcp: 'fc_src_port',
    means: 'of the connection, where rules set another client',
  },
  {
    name: 'request_id',
    in: 'noted',
    isLast: true,
    http: 'req.fhdr(x-request-id)',
    means: 'x-request-id that the server gets, where it is not that of trace and span',
  },
  {
    name: 'sent',
    in: 'noted',
    isLast: true,
    http: 'url',
    means: 'request target that the server gets, where rules changed it',
  },
  {
    name: 'server_status',
    in: 'noted',
    http: 'status',
    means: 'of the server, where rules changed it',
  },

  { name: 'route', in: 'parameter', http: '%{+E}[var(txn.otel.route)]', means: 'http.route' },
  {
    name: 'tracestate',
    in: 'parameter',
    http: '%{+E}[var(txn.otel.tracestate)]',
    means: 'tracestate that the server got',
  },
  { name: 'compressed', in: 'own', means: '1: bytes_read are those before compression' },
  { name: 'bytes_sent', in: 'own', means: 'bytes, behind compression' },
  { name: 'error', in: 'own', means: 'what was wrong with a connection without a request' },
  { name: 'baggage', in: 'own', means: 'baggage header, for HAPROXY_OTEL_BAGGAGE_KEYS' },
  {
    name: 'target',
    in: 'last',
    http: '%{+E}[var(txn.otel.target)]',
    means: 'request target, as the client sent it',
  },
] as const satisfies readonly Row[];

export type FieldName = (typeof ROWS)[number]['name'];

export const TABLE: readonly (Row & { readonly name: FieldName })[] = ROWS;

/** The log format of a value; undefined where HAProxy has none. */
export function valueIn(row: Row, kind: Kind, way: Way): string | undefined {
  const value = row[kind];
  return typeof value === 'object' ? value[way] : value;
}

/** The number of each field: its row. */
export const Field = Object.fromEntries(TABLE.map(({ name }, index) => [name, index])) as {
  readonly [Name in FieldName]: number;
};
export type Field = number;
