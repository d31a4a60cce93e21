import { parseHop } from '../context/hop.ts';
import type { AttributeValue, HopKind, HopRecord, Retries } from './record.ts';

/**
 * What HAProxy can be asked for about a hop, by the names in the shipped log format (haproxy/haproxy.cfg) and in
 * the `finish` message (spoe/otel-finish.conf).
 */
export const Field = {
  hop: 0,
  kind: 1,
  connection_error: 2,
  stopping: 3,
  status: 4,
  termination_state: 5,
  retries: 6,
  redispatched: 7,
  frontend: 8,
  backend: 9,
  server: 10,
  start: 11,
  end: 12,
  accepted: 13,
  received: 14,
  answered: 15,
  Th: 16,
  Ti: 17,
  TR: 18,
  Tw: 19,
  Tc: 20,
  Tr: 21,
  Td: 22,
  client_address: 23,
  client_port: 24,
  frontend_address: 25,
  frontend_port: 26,
  server_address: 27,
  server_port: 28,
  server_tls: 29,
  bytes_uploaded: 30,
  bytes_read: 31,
  method: 32,
  protocol: 33,
  protocol_major: 34,
  tls: 35,
  route: 36,
  host: 37,
  request_id: 38,
  tracestate: 39,
  pathq: 40,
  user_agent: 41,
  attributes: 42,
  baggage: 43,
  wait: 44,
} as const;
export type Field = (typeof Field)[keyof typeof Field];

/**
 * The values of one record, as HAProxy writes them: undefined where it has none, for which it says `-`; a phase
 * that was not reached is -1.
 */
export type FieldValues = {
  text(field: Field): string | undefined;
  /** Undefined too for what is no number. */
  number(field: Field): number | undefined;
  /** The user's own fields. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
};

/** What HAProxy prints where it has no value. */
export const MISSING = '-';
const BAD_REQUEST = '<BADREQ>';
const NO_ERROR = 'Success';
const HTTP = 'HTTP/';

/** Headers that came within this many milliseconds, the resolution of the timers, came at once. */
const AT_ONCE = 1;

/** @returns undefined for what is no record: it names no frontend, or no time it ended */
export function recordOf(values: FieldValues): HopRecord | undefined {
  const frontend = values.text(Field.frontend);
  const end = values.number(Field.end);
  if (frontend === undefined || end === undefined) return undefined;

  const connectionError = connectionErrorOf(values);
  const kind = kindOf(values, connectionError);
  const hopText = values.text(Field.hop);
  const hop = hopText === undefined ? undefined : parseHop(hopText);
  const received = positive(values, Field.received);
  const answered = positive(values, Field.answered);
  const heldUp = received !== undefined && answered !== undefined ? answered - received : undefined;
  const handshake = duration(values, Field.Th);
  const request = duration(values, Field.TR);
  const queue = duration(values, Field.Tw);
  const start =
    (kind === 'http'
      ? requestStart(values, received, request, heldUp)
      : acceptedAt(values, received, handshake)) ?? end;
  const serverName = values.text(Field.server);
  const secure = frontend.endsWith('~');
  const target = splitTarget(values.text(Field.pathq));

  return {
    kind,
    hop,
    tracestate: hop === undefined ? undefined : values.text(Field.tracestate),
    start: Math.min(start, end),
    clientStart: Math.min(turnedToServer(start, answered, request) + (queue ?? 0) * 1000, end),
    end,
    phases: {
      handshake,
      request,
      agent: agentWait(values, heldUp),
      queue,
      connect: duration(values, Field.Tc),
      response: duration(values, Field.Tr),
      transfer: duration(values, Field.Td),
    },
    retries: parseRetries(values.text(Field.retries), values.text(Field.redispatched)),
    terminationState: values.text(Field.termination_state),
    connectionError,
    method: methodOf(values),
    tls: secure || values.text(Field.tls) === '1',
    host: values.text(Field.host),
    path: target.path,
    query: target.query,
    protocolVersion: protocolVersion(
      positive(values, Field.protocol_major),
      values.text(Field.protocol),
    ),
    userAgent: values.text(Field.user_agent),
    requestId: values.text(Field.request_id),
    route: values.text(Field.route),
    baggage: values.text(Field.baggage),
    statusCode: positive(values, Field.status),
    requestSize: positive(values, Field.bytes_uploaded),
    responseSize: positive(values, Field.bytes_read),
    peer: { address: values.text(Field.client_address), port: positive(values, Field.client_port) },
    local: {
      address: values.text(Field.frontend_address),
      port: positive(values, Field.frontend_port),
    },
    server:
      serverName === undefined || serverName.startsWith('<')
        ? undefined
        : {
            name: serverName,
            address: values.text(Field.server_address),
            port: positive(values, Field.server_port),
            tls: values.text(Field.server_tls) === '1',
          },
    frontend: secure ? frontend.slice(0, -1) : frontend,
    backend: values.text(Field.backend),
    attributes: values.attributes,
  };
}

function kindOf(values: FieldValues, connectionError: string | undefined): HopKind {
  if (connectionError !== undefined) return 'connection_error';
  return values.text(Field.kind) === 'tcp' ? 'tcp' : 'http';
}

/** HAProxy uses its error log format for unreadable requests too: nothing is wrong with their connection. */
function connectionErrorOf(values: FieldValues): string | undefined {
  const text = values.text(Field.connection_error);
  return text === NO_ERROR ? undefined : text;
}

/**
 * The time at which the headers were complete is known to the microsecond, and closest where they came
 * at once. Otherwise HAProxy from 3.0 on says when the first byte came, and before there are the accept
 * date and two durations, all in whole milliseconds.
 */
function requestStart(
  values: FieldValues,
  received: number | undefined,
  request: number | undefined,
  heldUp: number | undefined,
): number | undefined {
  const receiving = request === undefined ? undefined : request - (heldUp ?? 0) / 1000;
  if (received !== undefined && receiving !== undefined && receiving < AT_ONCE) return received;
  const start = positive(values, Field.start) ?? startByTimers(values) ?? received;
  return start !== undefined && received !== undefined ? Math.min(start, received) : start;
}

/**
 * Microseconds that the request waited for this agent. Between the two times that are known to the microsecond others may
 * have held it up as well: HAProxy's own measure, in whole milliseconds, bounds what was this agent's. A line of an
 * older wiring does not have it.
 */
function agentWait(values: FieldValues, heldUp: number | undefined): number | undefined {
  const measured = values.number(Field.wait);
  if (measured === undefined) return heldUp;
  if (measured < 0) return undefined;
  const atLeast = measured * 1000;
  return heldUp === undefined || heldUp > atLeast + 1000 ? atLeast : heldUp;
}

function startByTimers(values: FieldValues): number | undefined {
  const accepted = positive(values, Field.accepted);
  if (accepted === undefined) return undefined;
  const handshake = duration(values, Field.Th) ?? 0;
  const idle = duration(values, Field.Ti) ?? 0;
  return (accepted + handshake + idle) * 1000;
}

/** Of a connection: its rules are run as soon as it is there, and know the time to the microsecond. */
function acceptedAt(
  values: FieldValues,
  received: number | undefined,
  handshake: number | undefined,
): number | undefined {
  if (received !== undefined) return received - (handshake ?? 0) * 1000;
  const accepted = positive(values, Field.accepted);
  return accepted === undefined ? undefined : accepted * 1000;
}

function methodOf(values: FieldValues): string | undefined {
  const method = values.text(Field.method);
  return method === BAD_REQUEST ? undefined : method;
}

type Target = { readonly path: string | undefined; readonly query: string | undefined };

/** `/path?query`; without the question mark there is no query. */
function splitTarget(pathq: string | undefined): Target {
  const mark = pathq?.indexOf('?') ?? -1;
  if (pathq === undefined || mark === -1) return { path: pathq, query: undefined };
  return { path: pathq.slice(0, mark), query: pathq.slice(mark + 1) };
}

function positive(values: FieldValues, field: Field): number | undefined {
  const value = values.number(field);
  return value !== undefined && value > 0 ? value : undefined;
}

function duration(values: FieldValues, field: Field): number | undefined {
  const value = values.number(field);
  return value !== undefined && value >= 0 ? value : undefined;
}

/**
 * When the rules of the request were run: the agent's answer is among the last of them, and known to the
 * microsecond; only rules that take longer than the timers' resolution make a difference.
 */
function turnedToServer(
  start: number,
  answered: number | undefined,
  request: number | undefined,
): number {
  const byTimer = start + (request ?? 0) * 1000;
  return answered === undefined || byTimer - answered > 1000 ? byTimer : answered;
}

/** `%rc`: a number, with `+` in front when the last retry went to another server; or said apart. */
function parseRetries(text: string | undefined, redispatched: string | undefined): Retries {
  const count = Number(text ?? 0);
  return {
    count: Number.isInteger(count) && count > 0 ? count : 0,
    redispatched: redispatched === '1' || (text?.startsWith('+') ?? false),
  };
}

/** `1.0` or `1.1` as the request line says, `2` and above as the connection does. */
function protocolVersion(major: number | undefined, text: string | undefined): string | undefined {
  if (major !== undefined && major > 1) return String(major);
  return text?.startsWith(HTTP) ? text.slice(HTTP.length) : undefined;
}
