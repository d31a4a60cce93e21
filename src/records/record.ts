import type { Hop } from '../context/hop.ts';

/**
 * What HAProxy says about one finished hop. Times are microseconds since the epoch, durations are
 * milliseconds unless they say otherwise; what HAProxy did not reach or does not know is undefined.
 */
export type HopRecord = {
  readonly kind: HopKind;
  /** Undefined for what never reached a rule, as a bad request: its hop starts a trace of its own. */
  readonly hop: Hop | undefined;
  readonly tracestate: string | undefined;
  /** First byte of the request; of a connection, its accept. */
  readonly start: number;
  /** HAProxy turned to a server: the request was complete and had left the queue. */
  readonly clientStart: number;
  /** Last byte of the response. */
  readonly end: number;
  readonly phases: Phases;
  readonly retries: Retries;
  /** `%tsc`: who ended the session, and in which phase. Unknown where no stream was made, or the hop was reported with the headers of its reply. */
  readonly terminationState: string | undefined;
  /** `%[fc_err_str]`: what was wrong with a connection that never got as far as a request. */
  readonly connectionError: string | undefined;

  readonly method: string | undefined;
  readonly tls: boolean;
  readonly host: string | undefined;
  readonly path: string | undefined;
  readonly query: string | undefined;
  /** `1.0`, `1.1`, `2`, `3`. */
  readonly protocolVersion: string | undefined;
  readonly userAgent: string | undefined;
  readonly requestId: string | undefined;
  /** `http.route`, where the user's configuration knows it. */
  readonly route: string | undefined;
  /** The header, as it came. */
  readonly baggage: string | undefined;
  readonly statusCode: number | undefined;
  /** Bytes on the wire, headers included. */
  readonly requestSize: number | undefined;
  readonly responseSize: number | undefined;

  readonly peer: Endpoint;
  readonly local: Endpoint;
  /** The server that was chosen; undefined when none was. */
  readonly server: Server | undefined;
  readonly frontend: string;
  readonly backend: string | undefined;
  /** What the user's own parameters add, by attribute name. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** The user's own log line. The bytes are valid only while the record is handed on. */
  readonly line: LineBytes | undefined;
};

/** `buffer[start, end)` */
export type LineBytes = { readonly buffer: Buffer; readonly start: number; readonly end: number };

/** A request, a connection of a `mode tcp` frontend, or one that failed before either, as in its TLS handshake. */
export type HopKind = 'http' | 'tcp' | 'connection_error';

export type AttributeValue = string | number | boolean | string[];

export type Endpoint = { readonly address: string | undefined; readonly port: number | undefined };

/** `tls` is known only from a response: false where the server never answered. */
export type Server = Endpoint & { readonly name: string; readonly tls: boolean };

/** HAProxy's timers, by what they measure. */
export type Phases = {
  /** `%Th`, of a connection: until its TLS handshake, or its PROXY header, was done. */
  readonly handshake: number | undefined;
  /** `%TR`: from the first byte until the request was complete and its rules were run. */
  readonly request: number | undefined;
  /** The part of `request` that was spent waiting for this agent, in microseconds. */
  readonly agent: number | undefined;
  /** `%Tw` */
  readonly queue: number | undefined;
  /** `%Tc` */
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
