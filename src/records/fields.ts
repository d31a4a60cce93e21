import { type Hop, parseHop } from '../context/hop.ts';
import type { AttributeValue, HopKind, HopRecord, Retries } from './record.ts';

/** What HAProxy prints where it has no value. */
export const MISSING = '-';
const BAD_REQUEST = '<BADREQ>';
const NO_ERROR = 'Success';

/** Headers that came within this many milliseconds, the resolution of the timers, came at once. */
const AT_ONCE = 1;

/**
 * Named values, as HAProxy writes them, on their way to a `HopRecord`. The names are those of the shipped log
 * format (haproxy/haproxy.cfg); HAProxy says `-` for what it does not have, and -1 for a phase that was not
 * reached.
 */
export class RecordFields {
  attributes: Readonly<Record<string, AttributeValue>> = {};
  private readonly values = new Map<string, string>();

  /** The first of equal names wins: what clients control comes last. */
  set(name: string, value: string): void {
    if (!this.values.has(name)) this.values.set(name, value);
  }

  /** @returns undefined for what is no record: it names no frontend, or no time it ended */
  toRecord(): HopRecord | undefined {
    const frontend = this.text('frontend');
    const end = this.number('end');
    if (frontend === undefined || end === undefined) return undefined;

    const kind = this.kind();
    const hop = this.hop();
    const received = this.positive('received');
    const answered = this.positive('answered');
    const agent =
      received !== undefined && answered !== undefined ? answered - received : undefined;
    const request = this.duration('TR');
    const start =
      (kind === 'http' ? this.requestStart(received, request, agent) : this.accepted(received)) ??
      end;
    const queue = this.duration('Tw');
    const serverName = this.text('server');

    return {
      kind,
      hop,
      tracestate: hop === undefined ? undefined : this.text('tracestate'),
      start: Math.min(start, end),
      clientStart: Math.min(turnedToServer(start, answered, request) + (queue ?? 0) * 1000, end),
      end,
      phases: {
        handshake: this.duration('Th'),
        request,
        agent,
        queue,
        connect: this.duration('Tc'),
        response: this.duration('Tr'),
        transfer: this.duration('Td'),
      },
      retries: parseRetries(this.text('retries'), this.text('redispatched')),
      terminationState: this.text('termination_state'),
      connectionError: this.connectionError(),
      method: this.method(),
      tls: frontend.endsWith('~') || this.text('tls') === '1',
      host: this.text('host'),
      path: this.text('path'),
      query: this.text('query'),
      protocolVersion: protocolVersion(this.positive('protocol_major'), this.text('protocol')),
      userAgent: this.text('user_agent'),
      requestId: this.text('request_id'),
      route: this.text('route'),
      statusCode: this.positive('status'),
      requestSize: this.positive('bytes_uploaded'),
      responseSize: this.positive('bytes_read'),
      peer: { address: this.text('client_address'), port: this.positive('client_port') },
      local: { address: this.text('frontend_address'), port: this.positive('frontend_port') },
      server:
        serverName === undefined || serverName.startsWith('<')
          ? undefined
          : {
              name: serverName,
              address: this.text('server_address'),
              port: this.positive('server_port'),
              tls: this.text('server_tls') === '1',
            },
      frontend: frontend.endsWith('~') ? frontend.slice(0, -1) : frontend,
      backend: this.text('backend'),
      attributes: this.attributes,
    };
  }

  private kind(): HopKind {
    if (this.connectionError() !== undefined) return 'connection_error';
    return this.text('kind') === 'tcp' ? 'tcp' : 'http';
  }

  /** HAProxy uses its error log format for unreadable requests too: nothing is wrong with their connection. */
  private connectionError(): string | undefined {
    const text = this.text('connection_error');
    return text === NO_ERROR ? undefined : text;
  }

  private hop(): Hop | undefined {
    const text = this.text('hop');
    return text === undefined ? undefined : parseHop(text);
  }

  /**
   * The time at which the headers were complete is known to the microsecond, and closest where they came
   * at once. Otherwise HAProxy from 3.0 on says when the first byte came, and before there are the accept
   * date and two durations, all in whole milliseconds.
   */
  private requestStart(
    received: number | undefined,
    request: number | undefined,
    agent: number | undefined,
  ): number | undefined {
    const receiving = request === undefined ? undefined : request - (agent ?? 0) / 1000;
    if (received !== undefined && receiving !== undefined && receiving < AT_ONCE) return received;
    const accepted = this.positive('accepted');
    const byTimers =
      accepted === undefined
        ? undefined
        : (accepted + (this.duration('Th') ?? 0) + (this.duration('Ti') ?? 0)) * 1000;
    const start = this.positive('start') ?? byTimers ?? received;
    return start !== undefined && received !== undefined ? Math.min(start, received) : start;
  }

  /** Of a connection: its rules are run as soon as it is there, and know the time to the microsecond. */
  private accepted(received: number | undefined): number | undefined {
    const accepted = this.positive('accepted');
    if (received !== undefined) return received - (this.duration('Th') ?? 0) * 1000;
    return accepted === undefined ? undefined : accepted * 1000;
  }

  private text(key: string): string | undefined {
    const value = this.values.get(key);
    return value === MISSING ? undefined : value;
  }

  private method(): string | undefined {
    const value = this.text('method');
    return value === BAD_REQUEST ? undefined : value;
  }

  private number(key: string): number | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const number = Number(value);
    return Number.isFinite(number) ? number : undefined;
  }

  private positive(key: string): number | undefined {
    const value = this.number(key);
    return value !== undefined && value > 0 ? value : undefined;
  }

  private duration(key: string): number | undefined {
    const value = this.number(key);
    return value !== undefined && value >= 0 ? value : undefined;
  }
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
  return major !== undefined && major > 1 ? String(major) : text?.split('/', 2)[1];
}
