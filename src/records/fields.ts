import type { Hop } from '../context/hop.ts';
import { type Failure, failureIn } from './failure.ts';
import type { FieldValues } from './field-values.ts';
import { peerOf } from './peers.ts';
import type { HopKind, HopRecord, Peer, Phases, Server } from './record.ts';
import { parseTarget, type RequestTarget } from './request-target.ts';
import type { Origin } from './sizes.ts';
import { Field } from './table.ts';

const BAD_REQUEST = '<BADREQ>';
const NO_ERROR = 'Success';

export function kindOf(values: FieldValues, connectionError: string | undefined): HopKind {
  if (connectionError !== undefined) return 'connection_error';
  return values.kind === 'tcp' ? 'tcp' : 'http';
}

/** HAProxy uses its error log format for unreadable requests too: nothing is wrong with their connection. */
export function failureOf(values: FieldValues): Failure | undefined {
  const error = values.text(Field.error);
  if (error !== undefined) return error === NO_ERROR ? undefined : { error, local: undefined };
  // Before 3.1 the message has it, by error-log-format. Any request has a status, if only -1.
  const isFailed = values.kind === 'http' && values.number(Field.status) === 0;
  return isFailed ? failureIn(values.line) : undefined;
}

export function methodOf(values: FieldValues): string | undefined {
  const method = values.text(Field.method);
  return method === BAD_REQUEST ? undefined : method;
}

/** The request id that the rules of `add` set. */
export function ownRequestId(hop: Hop | undefined): string | undefined {
  return hop === undefined ? undefined : `${hop.traceId}-${hop.spanId}`;
}

export function targetAt(
  values: FieldValues,
  field: Field,
  method: string | undefined,
): RequestTarget | undefined {
  const text = values.text(field);
  return text === undefined ? undefined : parseTarget(text, method);
}

export function peerAt(values: FieldValues, address: Field, port: Field): Peer {
  return peerOf(values.text(address), values.number(port));
}

/** Undefined where none was chosen: HAProxy then logs the frontend. A `listen` section is its own backend. */
export function backendOf(
  values: FieldValues,
  frontend: string,
  server: Server | undefined,
  { queue }: Phases,
): string | undefined {
  const backend = values.text(Field.backend);
  const chosen = backend !== frontend || server !== undefined || queue !== undefined;
  return chosen ? backend : undefined;
}

export function originOf({
  kind,
  server,
  phases,
  terminationState,
}: Pick<HopRecord, 'kind' | 'server' | 'phases' | 'terminationState'>): Origin {
  if (kind === 'tcp') return 'server';
  if (terminationState?.[1] !== 'H') {
    return server !== undefined && phases.response !== undefined ? 'server' : 'haproxy';
  }
  const [side] = terminationState;
  return side === 'P' || side === 'L' ? 'replaced' : 'haproxy';
}

/** `req.ver`: `2.0` is `2`. */
export function protocolVersion(text: string | undefined): string | undefined {
  return text?.endsWith('.0') && text !== '1.0' ? text.slice(0, -2) : text;
}
