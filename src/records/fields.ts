import { type Hop, parseHop } from '../context/hop.ts';
import { type Failure, failureIn } from './failure.ts';
import { duration, type FieldValues, positive } from './field-values.ts';
import { clientAndPeer, peerOf } from './peers.ts';
import type { HopKind, HopRecord, Peer, Phases, Retries, Server } from './record.ts';
import { serverPhases, type Timers } from './retries.ts';
import { type Origin, responseSize } from './sizes.ts';
import { Field } from './table.ts';
import { parseTarget, type Target } from './target.ts';
import { acceptedAt, agentWait, requestStart, turnedToServer } from './times.ts';

const BAD_REQUEST = '<BADREQ>';
const NO_ERROR = 'Success';

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
  const heldUp = received !== undefined && answered !== undefined ? answered - received : undefined;
  const handshake = duration(values, Field.Th);
  const request = duration(values, Field.TR);
  const start =
    (kind === 'http'
      ? requestStart(values, received, request, heldUp)
      : acceptedAt(values, received, handshake)) ?? end;
  const turned =
    kind === 'http' ? turnedToServer(start, answered, request) : start + (handshake ?? 0) * 1000;
  const retries = parseRetries(values.text(Field.retries));
  const phases = {
    handshake,
    request,
    agent: agentWait(values, heldUp),
    ...serverPhases(timersOf(values, (end - turned) / 1000), retries),
    response: duration(values, Field.Tr),
    transfer: duration(values, Field.Td),
  };
  const server = serverOf(values);
  const local = failure?.local ?? peerAt(values, Field.frontend_address, Field.frontend_port);
  const said = peerAt(values, Field.client_address, Field.client_port);
  const socket = peerAt(values, Field.peer_address, Field.peer_port);
  const tls = frontend.endsWith('~');
  const name = tls ? frontend.slice(0, -1) : frontend;
  const method = methodOf(values);
  const target = targetAt(values, Field.target, method);
  // What rules write down where it is another: without these rules nothing is known.
  const described = values.has(Field.protocol);

  return {
    kind,
    hop,
    tracestate: hop === undefined ? undefined : values.text(Field.tracestate),
    start: Math.min(start, end),
    clientStart: Math.min(turned + (phases.queue ?? 0) * 1000, end),
    end,
    phases,
    retries,
    terminationState: values.text(Field.termination_state),
    connectionError,
    method,
    tls,
    scheme: target?.scheme ?? (tls ? 'https' : 'http'),
    host: target?.authority ?? values.text(Field.host),
    path: target?.path,
    query: target?.query,
    sent: values.has(Field.sent)
      ? targetAt(values, Field.sent, method)
      : described
        ? target
        : undefined,
    protocolVersion: protocolVersion(values.text(Field.protocol)),
    userAgent: values.text(Field.user_agent),
    requestId:
      values.has(Field.request_id) || !described
        ? values.text(Field.request_id)
        : ownRequestId(hop),
    route: values.text(Field.route),
    baggage: values.text(Field.baggage),
    statusCode: positive(values, Field.status),
    serverStatusCode: positive(values, Field.server_status),
    requestSize: positive(values, Field.bytes_uploaded),
    responseSize: responseSize(
      {
        read: positive(values, Field.bytes_read),
        sent: positive(values, Field.bytes_sent),
        compressed: values.text(Field.compressed) === '1',
      },
      originOf(values, kind, server, phases),
    ),
    ...clientAndPeer(said, socket, local),
    local,
    server,
    frontend: name,
    backend: backendOf(values, name, server, phases),
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

function methodOf(values: FieldValues): string | undefined {
  const method = values.text(Field.method);
  return method === BAD_REQUEST ? undefined : method;
}

/** Which request id the server gets where rules set it. */
function ownRequestId(hop: Hop | undefined): string | undefined {
  return hop === undefined ? undefined : `${hop.traceId}-${hop.spanId}`;
}

function targetAt(
  values: FieldValues,
  field: Field,
  method: string | undefined,
): Target | undefined {
  const text = values.text(field);
  return text === undefined ? undefined : parseTarget(text, method);
}

function peerAt(values: FieldValues, address: Field, port: Field): Peer {
  return peerOf(values.text(address), values.number(port));
}

/** The server that was chosen; what stands in its place is in angle brackets. */
function serverOf(values: FieldValues): Server | undefined {
  const name = values.text(Field.server);
  if (name === undefined || name.startsWith('<')) return undefined;
  const peer = peerAt(values, Field.server_address, Field.server_port);
  return { name, ...peer, tls: values.text(Field.server_tls) === '1' };
}

/** A frontend that has chosen none is named in its place; a `listen` section is its own. */
function backendOf(
  values: FieldValues,
  frontend: string,
  server: Server | undefined,
  { queue }: Phases,
): string | undefined {
  const backend = values.text(Field.backend);
  const chosen = backend !== frontend || server !== undefined || queue !== undefined;
  return chosen ? backend : undefined;
}

function timersOf(values: FieldValues, rest: number): Timers {
  const ahead = positive(values, Field.server_queue) ?? positive(values, Field.backend_queue);
  const [wait, connect] = [duration(values, Field.Tw), duration(values, Field.Tc)];
  return { wait, connect, queued: ahead !== undefined, rest };
}

function originOf(
  values: FieldValues,
  kind: HopKind,
  server: Server | undefined,
  { response }: Phases,
): Origin {
  if (kind === 'tcp') return 'server';
  const state = values.text(Field.termination_state);
  if (state?.[1] !== 'H') {
    return server !== undefined && response !== undefined ? 'server' : 'haproxy';
  }
  return state[0] === 'P' || state[0] === 'L' ? 'replaced' : 'haproxy';
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
