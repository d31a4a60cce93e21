import { type Hop, parseHop } from '../context/hop.ts';
import { type Failure, failureIn } from './failure.ts';
import type { AttributeValue, HopKind, HopRecord, LineBytes, Retries } from './record.ts';
import { Field, type Kind } from './table.ts';

/**
 * The values of one record, as HAProxy writes them: undefined where it has none, for which it says `-`; a phase
 * that was not reached is -1.
 */
export type FieldValues = {
  /** Undefined for what is no record. */
  readonly kind: Kind | undefined;
  /** When the line was written, in microseconds since the epoch. */
  readonly end: number | undefined;
  text(field: Field): string | undefined;
  /** Undefined too for what is no number. */
  number(field: Field): number | undefined;
  /** The user's own fields. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly line: LineBytes | undefined;
};

const BAD_REQUEST = '<BADREQ>';
const NO_ERROR = 'Success';

/** Headers that came within this many milliseconds, the resolution of the timers, came at once. */
const AT_ONCE = 1;

/** @returns undefined for what is no record: it names no frontend, or no time it ended */
export function recordOf(values: FieldValues): HopRecord | undefined {
  const frontend = values.text(Field.frontend);
  const { end } = values;
  if (frontend === undefined || end === undefined) return undefined;

  const failure = failureOf(values);
  const connectionError = failure?.error;
  const kind = kindOf(values, connectionError);
  const hopText = values.text(Field.hop);
  const hop = hopText === undefined ? undefined : parseHop(hopText);
  const received = positive(values, Field.received);
  const answered = positive(values, Field.answered);
  const agent = received !== undefined && answered !== undefined ? answered - received : undefined;
  const handshake = duration(values, Field.Th);
  const request = duration(values, Field.TR);
  const queue = duration(values, Field.Tw);
  const start =
    (kind === 'http'
      ? requestStart(values, received, request, agent)
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
      agent,
      queue,
      connect: duration(values, Field.Tc),
      response: duration(values, Field.Tr),
      transfer: duration(values, Field.Td),
    },
    retries: parseRetries(values.text(Field.retries)),
    terminationState: values.text(Field.termination_state),
    connectionError,
    method: methodOf(values),
    tls: secure,
    host: values.text(Field.host),
    path: target.path,
    query: target.query,
    protocolVersion: protocolVersion(values.text(Field.protocol)),
    userAgent: values.text(Field.user_agent),
    requestId: values.text(Field.request_id) ?? ownRequestId(hop),
    route: values.text(Field.route),
    baggage: values.text(Field.baggage),
    statusCode: positive(values, Field.status),
    requestSize: positive(values, Field.bytes_uploaded),
    responseSize: positive(values, Field.bytes_read),
    peer: { address: values.text(Field.client_address), port: positive(values, Field.client_port) },
    local: failure?.local ?? {
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
    line: values.line,
  };
}

function kindOf(values: FieldValues, connectionError: string | undefined): HopKind {
  if (connectionError !== undefined) return 'connection_error';
  return values.kind === 'tcp' ? 'tcp' : 'http';
}

/** HAProxy uses its error log format for unreadable requests too: nothing is wrong with their connection. */
function failureOf(values: FieldValues): Failure | undefined {
  const error = values.text(Field.error);
  if (error !== undefined) return error === NO_ERROR ? undefined : { error, local: undefined };
  // Before 3.1 the message says it, an error-log-format; of a request there is a status, if only that there is none.
  const isFailed = values.kind === 'http' && values.number(Field.status) === 0;
  return isFailed ? failureIn(values.line) : undefined;
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
  agent: number | undefined,
): number | undefined {
  const receiving = request === undefined ? undefined : request - (agent ?? 0) / 1000;
  if (received !== undefined && receiving !== undefined && receiving < AT_ONCE) return received;
  const start = positive(values, Field.start) ?? startByTimers(values) ?? received;
  return start !== undefined && received !== undefined ? Math.min(start, received) : start;
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

/** What HAProxy tells the server where the client sent no request id. */
function ownRequestId(hop: Hop | undefined): string | undefined {
  return hop === undefined ? undefined : `${hop.traceId}-${hop.spanId}`;
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

/** `%rc`: a number, with `+` in front when the last retry went to another server. */
function parseRetries(text: string | undefined): Retries {
  const count = Number(text ?? 0);
  return {
    count: Number.isInteger(count) && count > 0 ? count : 0,
    redispatched: text?.startsWith('+') ?? false,
  };
}

/** `req.ver`: `2.0` is `2`. */
function protocolVersion(text: string | undefined): string | undefined {
  return text?.endsWith('.0') && text !== '1.0' ? text.slice(0, -2) : text;
}
