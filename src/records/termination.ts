import type { HopRecord } from './record.ts';

/**
 * How a hop ended, by HAProxy's termination state (configuration manual, "Session state at disconnection"), the
 * status and the server: whose fault it was, and why.
 */
export type Outcome = {
  readonly fault: Fault;
  /** A name from this closed list, for `error.type`; undefined where the status is the reason. */
  readonly cause: Cause | undefined;
  /** HAProxy tried a server: there is a CLIENT span. */
  readonly triedServer: boolean;
  /** The status is the server's own, and not one that HAProxy made up or replaced. */
  readonly serverAnswered: boolean;
};

/** Who caused a hop to fail. */
export type Fault = 'none' | 'client' | 'server' | 'proxy';

export type Cause =
  | 'client_abort'
  | 'client_timeout'
  | 'invalid_request'
  | 'tls_handshake_error'
  | 'connection_error'
  | 'connect_error'
  | 'connect_timeout'
  | 'no_server'
  | 'queue_timeout'
  | 'server_abort'
  | 'server_timeout'
  | 'server_down'
  | 'invalid_response'
  | 'resource_exhausted'
  | 'internal_error'
  | 'killed';

export function outcomeOf(record: HopRecord): Outcome {
  const phase = record.terminationState?.[1];
  const { queue, retry } = record.phases;
  const triedServer = record.server !== undefined && (queue !== undefined || retry !== undefined);
  // In the phase of the response's headers the reply is HAProxy's own, whatever the server sent.
  const serverAnswered = triedServer && record.phases.response !== undefined && phase !== 'H';
  const { fault, cause } = blame(record, triedServer, serverAnswered);
  if (fault === 'none' && cause === undefined) {
    return serverAnswered ? ANSWERED : triedServer ? TRIED : UNTRIED;
  }
  return { fault, cause, triedServer, serverAnswered };
}

/** Most hops. */
const GOOD = { fault: 'none', cause: undefined } as const;
const ANSWERED: Outcome = { ...GOOD, triedServer: true, serverAnswered: true };
const TRIED: Outcome = { ...GOOD, triedServer: true, serverAnswered: false };
const UNTRIED: Outcome = { ...GOOD, triedServer: false, serverAnswered: false };

/** The status that was sent: what HAProxy logs for a client that left before there was an answer never was. */
export function sentStatus(
  record: HopRecord,
  { cause, serverAnswered }: Outcome,
): number | undefined {
  return cause === 'client_abort' && !serverAnswered ? undefined : record.statusCode;
}

/** What the server answered, whatever rules of the user made of it. */
export function answeredStatus(
  record: HopRecord,
  { triedServer, serverAnswered }: Outcome,
): number | undefined {
  if (triedServer && record.serverStatusCode !== undefined) return record.serverStatusCode;
  return serverAnswered ? record.statusCode : undefined;
}

/** `error.type` of the hop as the client saw it. @param status what it was sent */
export function sentErrorType({ cause }: Outcome, status: number | undefined): string | undefined {
  return cause ?? (status !== undefined && status >= 500 ? String(status) : undefined);
}

/** `error.type` of the hop as the server saw it. @param status what it answered */
export function answeredErrorType(
  { cause }: Outcome,
  status: number | undefined,
): string | undefined {
  return cause ?? (status !== undefined && status >= 400 ? String(status) : undefined);
}

type Blame = Pick<Outcome, 'fault' | 'cause'>;

const NOBODY: Blame = { fault: 'none', cause: undefined };

/** HAProxy's answer in place of a response that it cannot use. */
const BAD_GATEWAY = 502;
/** Its answer to a client that stops sending; one that is gone does not get it. */
const REQUEST_TIMEOUT = 408;
/** Its answers for a server that it could not connect to, and for one that does not answer. */
const SERVICE_UNAVAILABLE = 503;
const GATEWAY_TIMEOUT = 504;

function blame(record: HopRecord, triedServer: boolean, serverAnswered: boolean): Blame {
  if (record.kind === 'connection_error') {
    // HAProxy's own texts: "SSL handshake failure", "Timeout during SSL handshake", …
    const tls = record.connectionError?.includes('SSL') ?? false;
    return { fault: 'client', cause: tls ? 'tls_handshake_error' : 'connection_error' };
  }
  if (record.terminationState === undefined && triedServer && !serverAnswered) {
    return blameUnanswering(record.statusCode);
  }
  const side = record.terminationState?.[0];
  const phase = record.terminationState?.[1];
  const status = record.statusCode ?? 0;
  switch (side) {
    case 'C':
      return { fault: 'client', cause: 'client_abort' };
    case 'c':
      return { fault: 'client', cause: 'client_timeout' };
    case 'S':
      if (phase !== 'C') return { fault: 'server', cause: 'server_abort' };
      return {
        fault: 'server',
        cause: record.server === undefined ? 'no_server' : 'connect_error',
      };
    case 's':
      if (phase === 'Q') return { fault: 'server', cause: 'queue_timeout' };
      if (phase === 'C') return { fault: 'server', cause: 'connect_timeout' };
      return { fault: 'server', cause: 'server_timeout' };
    case 'P':
      return blameProxy(record, phase, status, triedServer);
    case 'R':
      return { fault: 'proxy', cause: 'resource_exhausted' };
    case 'I':
      return { fault: 'proxy', cause: 'internal_error' };
    case 'D':
      return { fault: 'server', cause: 'server_down' };
    case 'U':
    case 'K':
      return { fault: 'proxy', cause: 'killed' };
    default:
      if (status < 500) return NOBODY;
      return {
        fault: serverAnswered && (record.serverStatusCode ?? status) >= 500 ? 'server' : 'proxy',
        cause: undefined,
      };
  }
}

/** Of a hop that was reported with the headers of HAProxy's own reply, after a server was tried in vain. */
function blameUnanswering(status: number | undefined): Blame {
  if (status === GATEWAY_TIMEOUT) return { fault: 'server', cause: 'server_timeout' };
  if (status === SERVICE_UNAVAILABLE) return { fault: 'server', cause: 'connect_error' };
  if (status === BAD_GATEWAY) return { fault: 'server', cause: undefined };
  return { fault: 'client', cause: status === REQUEST_TIMEOUT ? 'client_timeout' : 'client_abort' };
}

/** HAProxy itself ended the hop: by a rule of the user's, or because it could not continue. */
function blameProxy(
  record: HopRecord,
  phase: string | undefined,
  status: number,
  triedServer: boolean,
): Blame {
  if (phase === 'C') return { fault: 'proxy', cause: 'resource_exhausted' };
  if (triedServer) {
    const denied = phase === 'H' && status !== BAD_GATEWAY;
    return denied ? NOBODY : { fault: 'server', cause: 'invalid_response' };
  }
  if (status >= 500) return { fault: 'proxy', cause: undefined };
  // Without a method the request could not even be read.
  const unreadable = record.kind === 'http' && record.method === undefined && status >= 400;
  return unreadable ? { fault: 'client', cause: 'invalid_request' } : NOBODY;
}
