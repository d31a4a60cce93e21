import {
  type Kind,
  MISSING,
  RECORD_VERSION,
  type Row,
  SD_ID,
  TABLE,
  valueIn,
  type Way,
} from './table.ts';

/**
 * Longest line of a ring or datagram, in bytes, for `len` and `maxlen` where tune.bufsize is HAProxy's default: a
 * ring drops a line that does not fit into tune.bufsize together with its length, without a word.
 */
export const DEFAULT_LINE_LENGTH = 16_300;
/** So many bytes below tune.bufsize. */
export const LINE_MARGIN = 84;

/** Beside what the table says. */
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
  const isInVariable = (row: Row): boolean => row.in === 'request' && kind === 'http';
  return recordText(
    kind,
    (row) => changes[row.name] ?? (isInVariable(row) ? undefined : valueIn(row, kind, way)),
    [OWN_PARAMETERS, ...(kind === 'http' ? [`%[var(${REQUEST})]`] : [])],
  );
}

/**
 * A record, each value as `textOf` has it: a place without one is a dash, a parameter without one is left out.
 *
 * @param more parameters behind those of the table that are no `request`
 */
export function recordText(
  kind: Kind,
  textOf: (row: (typeof TABLE)[number]) => string | undefined,
  more: readonly string[] = [],
): string {
  const places: string[] = [];
  const parameters: string[] = [];
  const request: string[] = [];
  for (const row of TABLE) {
    const text = textOf(row);
    if (row.in === 'place') places.push(text ?? MISSING);
    else if (text !== undefined) {
      (row.in === 'request' ? request : parameters).push(`${row.name}="${text}"`);
    }
  }
  const first = `${kind}="${RECORD_VERSION} ${places.join(' ')}"`;
  return `[${[`${SD_ID} ${first}`, ...parameters, ...more, ...request].join(' ')}]`;
}

/** Expanded by HAProxy: empty where it is not set. */
const OWN_PARAMETERS = `$\{OTEL_ATTRIBUTES}`;

/** Parameters of the record that are gone by the time the line is written. */
const REQUEST = 'txn.otel.request';

/** As a `log-profile`'s message (`format`): empty, and so not sent, unless the process is stopping. */
export const STOPPING_MESSAGE = '%{-M}[stopping,iif(-,)]';

/**
 * The log format of a proxy where nobody else logs: the shortest that makes HAProxy wait for the end. A `log-profile` does
 * not do that: without a count of bytes in the proxy's own format its line is written when the headers are there.
 */
export const SHORTEST_FORMAT = '%B';
/** The same for connections that fail before a request: what is nowhere else before 3.1 (failed-connection.ts). */
export const SHORTEST_ERROR_FORMAT = 'otel %fi %fp %[fc_err_str]';

/** An action of a proxy's rules. Its condition, if it has one, stands behind `if`. */
export type Rule = {
  readonly phase: 'tcp-request content' | 'http-request' | 'http-response' | 'http-after-response';
  readonly action: string;
  readonly condition?: string;
};

/** Before the agent is asked. */
const RECEIVED: Rule = {
  phase: 'tcp-request content',
  action: 'set-var(txn.otel.received) date(0,us)',
};

/**
 * Rules by which a proxy writes down what its records need, for a proxy with `mode http`, in the order in which they
 * have to stand: before every rule of the user's, and the one of `http-request` behind those that set `txn.otel.hop`,
 * `txn.otel.tracestate` and `txn.otel.request_id`. The record reads `txn.otel.route`, too, which the user's rules set.
 */
export const HTTP_RULES: readonly Rule[] = [
  RECEIVED,
  {
    phase: 'http-request',
    action: `set-var-fmt(${REQUEST}) ${quoted(
      TABLE.filter((row) => row.in === 'request')
        .map((row) => `${row.name}="${valueIn(row, 'http', 'format')}"`)
        .join(' '),
    )}`,
  },
  {
    phase: 'http-response',
    action: 'set-var(txn.otel.server_tls) bool(true)',
    condition: '{ ssl_bc }',
  },
];

/** The same of a proxy with `mode tcp`. */
export const TCP_RULES: readonly Rule[] = [RECEIVED];

/**
 * Rules that write the record when the headers of a reply go out, by the `debug` converter: the ring is called `ring`.
 * A line of the same proxy that may follow must say so (`reply` of `structuredData`).
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
