import type { Hop } from '../context/hop.ts';
import type { HopView } from '../context/hop-view.ts';
import type { TargetBytes } from './target-bytes.ts';

/**
 * HAProxy's record of one finished hop. Times are microseconds since the epoch, durations are milliseconds unless
 * noted; what HAProxy did not reach or does not know is undefined.
 */
export type HopRecord = {
  readonly kind: HopKind;
  /** Undefined for what never reached a rule, as a bad request: its hop starts a trace of its own. */
  readonly hop: Hop | undefined;
  readonly tracestate: string | undefined;
  /** First byte of the request; of a connection, its accept. */
  readonly start: number;
  /** HAProxy first turned to a server: the request was complete and had left the queue. */
  readonly clientStart: number;
  /** Last byte of the response. */
  readonly end: number;
  readonly phases: Phases;
  readonly retries: Retries;
  /**
   * `%tsc`: who ended the session, and in which phase. Unknown where no stream was made, or the hop was reported with
   * the headers of its reply.
   */
  readonly terminationState: string | undefined;
  /** `%[fc_err_str]`: what was wrong with a connection that never got as far as a request. */
  readonly connectionError: string | undefined;

  readonly method: string | undefined;
  readonly tls: boolean;
  /** As the client named it: of an absolute request target its own, otherwise that of the connection. */
  readonly scheme: 'http' | 'https';
  /** The Host header; of CONNECT the request target. */
  readonly host: string | undefined;
  /** As the client sent it; empty where the request target has none, as of CONNECT and `OPTIONS *`. */
  readonly path: string | undefined;
  readonly query: string | undefined;
  /** What the server was sent, behind all rules; undefined where that is not known. */
  readonly sent: PathAndQuery | undefined;
  /** `1.0`, `1.1`, `2`, `3`. */
  readonly protocolVersion: string | undefined;
  readonly userAgent: string | undefined;
  readonly requestId: string | undefined;
  /** `http.route`, where the user's configuration knows it. */
  readonly route: string | undefined;
  /** The header, as it came. */
  readonly baggage: string | undefined;
  /** What the client got. */
  readonly statusCode: number | undefined;
  /** What the server answered, where HAProxy reports it separately; undefined too where it did not answer. */
  readonly serverStatusCode: number | undefined;
  /** Bytes with headers, as HAProxy counts them; undefined where its count is known to be wrong. */
  readonly requestSize: number | undefined;
  readonly responseSize: number | undefined;

  /** The client of the request, which rules of the user may set. */
  readonly client: Endpoint;
  /** The other end of the client's connection. */
  readonly peer: Peer;
  readonly local: Endpoint;
  /** The server that was chosen; undefined when none was. */
  readonly server: Server | undefined;
  readonly frontend: string;
  /** Undefined when none was chosen. */
  readonly backend: string | undefined;
  /** What the user's own parameters add, by attribute name. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** The user's own log line. The bytes are valid only during the call that receives the record. */
  readonly line: LineBytes | undefined;

  /** What a view has besides (record-view.ts), for sinks that copy bytes as they are. */
  readonly targetBytes?: TargetBytes | undefined;
  readonly requestIdBytes?: HopView | undefined;
  /** Whether the server was sent the request target that `targetBytes` has. */
  readonly isSentAsItCame?: boolean;
};

/** `buffer[start, end)` */
export type LineBytes = { readonly buffer: Buffer; readonly start: number; readonly end: number };

/** A request, a connection of a `mode tcp` frontend, or one that failed before either, as in its TLS handshake. */
export type HopKind = 'http' | 'tcp' | 'connection_error';

/** A number is an integer, or a `Double`. */
export type AttributeValue = string | number | boolean | string[] | Double;

/** A number that was written with a fraction or an exponent, whatever it comes to: `4.0` is no integer. */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A path without its query. */
export type PathAndQuery = { readonly path: string; readonly query: string | undefined };

export type Endpoint = { readonly address: string | undefined; readonly port: number | undefined };

/** `unix` is a unix socket, which has no address here and no port. */
export type Peer = Endpoint & { readonly unix: boolean };

/** `tls` is known only from a response: false where the server never answered. */
export type Server = Peer & { readonly name: string; readonly tls: boolean };

/** HAProxy's timers, by what they measure. */
export type Phases = {
  /** `%Th`, of a connection: until its TLS handshake, or its PROXY header, was done. */
  readonly handshake: number | undefined;
  /** `%TR`: from the first byte until the request was complete and its rules were run. */
  readonly request: number | undefined;
  /** The part of `request` that was spent waiting for this agent, in microseconds. */
  readonly agent: number | undefined;
  /** `%Tw`; after retries only as far as it is known to have been spent in a queue. */
  readonly queue: number | undefined;
  /**
   * Where there were retries: tries that failed, pauses between them, and waits in queues that cannot be separated
   * from these.
   */
  readonly retry: number | undefined;
  /** `%Tc`; undefined after retries where it holds them too. */
  readonly connect: number | undefined;
  /** `%Tr`: until the server's response headers were there. */
  readonly response: number | undefined;
  /** `%Td` */
  readonly transfer: number | undefined;
};

export type Retries = {
  readonly count: number;
  /** The last retry went to another server. */
  readonly redispatched: boolean;
};
