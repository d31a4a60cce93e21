import {
  Field,
  type Kind,
  MISSING,
  RECORD_VERSION,
  type ROWS,
  type Row,
  SD_ID,
  TABLE,
  valueIn,
  type Way,
} from './table.ts';

/**
 * Longest line of a ring or datagram, in bytes, for `len` and `maxlen` where tune.bufsize is HAProxy's default: a
 * ring silently drops a line that does not fit into tune.bufsize together with its length.
 */
export const DEFAULT_LINE_LENGTH = 16_300;
/** So many bytes below tune.bufsize. */
export const LINE_MARGIN = 84;

/** What varies beside the table. */
export type Lines = {
  /** The proxy's hops may be reported when the headers of their reply go out, too (`REPLY_RULES`). */
  readonly reply?: boolean;
  /** Of the `log-profile` whose messages only a process that is stopping sends (`STOPPING_MESSAGE`). */
  readonly stopping?: boolean;
  /** Of the `error` step of a `log-profile`: bad requests, and connections that failed before a request. */
  readonly error?: boolean;
};

/**
 * Structured data for `log-format-sd`, or for `sd` in a `log-profile`: a HAProxy log format, to be quoted by
 * `quoted`. `${OTEL_ATTRIBUTES}` in it is for the user's own parameters.
 */
export function structuredData(
  kind: Kind,
  way: Exclude<Way, 'reply'>,
  { reply = false, stopping = false, error = false }: Lines = {},
): string {
  const changes: Record<string, string> = {};
  if (reply) changes.reported = '%[var(txn.otel.reported,0)]';
  if (stopping) changes.stopping = '1';
  if (error) {
    changes.frontend_address = '%fi';
    changes.frontend_port = '%fp';
    changes.error = '%[fc_err_str]';
  }
  return element(kind, way, changes);
}

/** What is written when the headers of a reply go out: a log format for `set-var-fmt`, to be quoted. */
export function replyRecord(): string {
  return element('http', 'reply', {});
}

function element(kind: Kind, way: Way, changes: Readonly<Record<string, string>>): string {
  const request = kind === 'http' ? [`%[var(${REQUEST})]`] : [];
  const textOf = (row: Row): string | undefined => {
    if (changes[row.name] !== undefined) return changes[row.name];
    if (row.in !== 'request' && row.in !== 'noted') return valueIn(row, kind, way);
    // Rules write these down, which connections have none for.
    return kind === 'tcp' && row.tcp !== undefined ? `%[${valueIn(row, kind, way)}]` : undefined;
  };
  const own =
    kind === 'http' && way !== 'reply' ? [RESPONSE_SIZE, OWN_PARAMETERS] : [OWN_PARAMETERS];
  return recordText(kind, textOf, request, own);
}

/**
 * A record, each value as `textOf` has it: a place without one is a dash, a parameter without one is left out.
 *
 * @param request parameters that stand before those of the table
 * @param own the user's
 */
export function recordText(
  kind: Kind,
  textOf: (row: (typeof TABLE)[number]) => string | undefined,
  request: readonly string[] = [],
  own: readonly string[] = [],
): string {
  const places: string[] = [];
  const parameters: string[] = [];
  const last: string[] = [];
  for (const row of TABLE) {
    const text = textOf(row);
    if (row.in === 'place') places.push(text ?? MISSING);
    else if (text !== undefined) {
      (row.in === 'last' ? last : parameters).push(`${row.name}="${text}"`);
    }
  }
  const first = `${kind}="${RECORD_VERSION} ${places.join(' ')}"`;
  return `[${[`${SD_ID} ${first}`, ...request, ...parameters, ...own, ...last].join(' ')}]`;
}

/** Expanded by HAProxy: empty where it is not set. */
const OWN_PARAMETERS = `$\{OTEL_ATTRIBUTES}`;

/** Expanded likewise: where there is compression HAProxy's own count is not enough. */
const RESPONSE_SIZE = `$\{OTEL_RESPONSE_SIZE}`;

/** The samples for it: from HAProxy 3.3 on the number of bytes that were sent is known. */
export const RESPONSE_SIZES = {
  before: 'compressed="%[res.comp]"',
  since: 'bytes_sent="%[res.bytes_out]"',
} as const;

/** The variable with those parameters whose samples are not available any more when the line is written. */
const REQUEST = 'txn.otel.request';

/** As a `log-profile`'s message (`format`): empty, and so not sent, unless the process is stopping. */
export const STOPPING_MESSAGE = '%{-M}[stopping,iif(-,)]';

/**
 * As `STOPPING_MESSAGE`, and also where the hop is sampled or the request failed: an answer of 5xx, or an end that is
 * neither normal nor by HAProxy's own rules.
 */
export const SAMPLED_MESSAGE =
  '%{-M}[var(txn.otel.hop),bytes(51,1),hex2i,and(1),bool,iif(-,)]%{-M}[txn.status,div(500),bool,iif(-,)]%{-M}[txn.sess_term_state,bytes(0,1),word(1,-LP)]';

/** Before 3.1, where there is no other logger. Does not run for failures that HAProxy answers itself. */
export const SILENT_RULE: Rule = {
  phase: 'http-response',
  action: 'set-log-level silent',
  condition: '{ var(txn.otel.hop),bytes(51,1) -m str 0 2 4 6 8 a c e } { status lt 500 }',
};

/**
 * The log format of a proxy where nobody else logs: the shortest that makes HAProxy wait for the end. A `log-profile`
 * does not do that: without a count of bytes in the proxy's own format its line is written when the headers are
 * there.
 */
export const SHORTEST_FORMAT = '%B';
/** The same for connections that fail before a request: what is nowhere else before 3.1 (failure.ts). */
export const SHORTEST_ERROR_FORMAT = 'otel %fi %fp %[fc_err_str]';

/** An action of a proxy's rules. Its condition, if it has one, stands behind `if`. */
export type Rule = {
  readonly phase: 'tcp-request content' | 'http-request' | 'http-response' | 'http-after-response';
  readonly action: string;
  readonly condition?: string;
};

type Named<R, In> = R extends { readonly name: infer N extends string; readonly in: In }
  ? N
  : never;
/** A field that is in the record only where the user's rules make a difference. */
export type NotedName = Named<(typeof ROWS)[number], 'noted'>;

/** Fields that each request of a proxy has noted, by the log format of their value. */
export type Noted = Readonly<Partial<Record<NotedName, string>>>;

/** The value of a noted field, as it is at the time. */
export function noted(name: NotedName): string {
  return `%{+E}[${TABLE[Field[name]]?.http}]`;
}

/** A rule that notes a field from then on; an empty value is none. */
export function noteRule(
  phase: Rule['phase'],
  name: NotedName,
  condition?: string,
  value = noted(name),
): Rule {
  const action = `set-var-fmt(${REQUEST}) ${quoted(`%[var(${REQUEST})] ${name}="${value}"`)}`;
  return condition === undefined ? { phase, action } : { phase, action, condition };
}

/**
 * Rules by which a proxy writes down what its records need, for a proxy with `mode http`, in the order in which they
 * have to stand. They come before every rule of the user's. What the record reads, too, and is no record's own:
 * `txn.otel.hop` and `txn.otel.tracestate` of the agent's answer, and `txn.otel.route` of the user's rules.
 */
export function httpRules(fields: Noted = {}): readonly Rule[] {
  return [
    { phase: 'tcp-request content', action: 'set-var(txn.otel.received) date(0,us)' },
    ...(fields.peer_address === undefined
      ? []
      : [{ phase: 'http-request', action: 'set-var(txn.otel.peer) fc_src' } as const]),
    requestRule(fields),
    { phase: 'http-request', action: 'set-var(txn.otel.target) url' },
    {
      phase: 'http-response',
      action: 'set-var(txn.otel.server_tls) bool(true)',
      condition: '{ ssl_bc }',
    },
  ];
}

/** The rule of `httpRules` that reads the request. */
function requestRule(fields: Noted): Rule {
  const samples = TABLE.flatMap((row): string[] => {
    if (row.in === 'request') return [`${row.name}="%{+E}[${row.http}]"`];
    const value = fields[row.name as NotedName];
    return value === undefined ? [] : [`${row.name}="${value}"`];
  });
  return { phase: 'http-request', action: `set-var-fmt(${REQUEST}) ${quoted(samples.join(' '))}` };
}

/** The same of a proxy with `mode tcp`. */
export const TCP_RULES: readonly Rule[] = [
  { phase: 'tcp-request content', action: 'set-var(txn.otel.received) date(0,us)' },
];

/**
 * Rules that write the record when the headers of a reply go out, by the `debug` converter: the ring is called `ring`.
 * A line of the same proxy that may follow must have `reported` (`reply` of `structuredData`).
 *
 * In a proxy whose log format counts no bytes these put the user's line off to the end of the response.
 *
 * @param conditions that have to hold beside the one that is needed: the hop is known
 */
export function replyRules(ring: string, conditions: readonly string[] = []): readonly Rule[] {
  const condition = ['{ var(txn.otel.hop) -m found }', ...conditions].join(' ');
  return [
    {
      phase: 'http-after-response',
      action: `set-var-fmt(txn.otel.record) ${quoted(replyRecord())}`,
      condition,
    },
    {
      phase: 'http-after-response',
      action: `set-var(txn.otel.reported) var(txn.otel.record),debug(otel,${ring}),length,bool`,
      condition,
    },
  ];
}

/** A rule as a line of HAProxy's configuration. */
export function ruleLine({ phase, action, condition }: Rule): string {
  return `${phase} ${action}${condition === undefined ? '' : ` if ${condition}`}`;
}

/** A log format as an argument of HAProxy's configuration: in double quotes, where `${…}` is the environment's. */
export function quoted(format: string): string {
  return `"${format.replace(/["\\]/g, '\\$&')}"`;
}
