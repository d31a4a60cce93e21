import { type Hop, HopOffset, parseHop } from '../context/hop.ts';
import type { AttributeValue, HopRecord, Retries } from './record.ts';
import { type FieldKind, type FieldSink, KeyMemory, scanRecord } from './scanner.ts';

/**
 * Turns a line of the shipped log format (haproxy/haproxy.cfg) into a `HopRecord`. HAProxy prints `-`
 * for what it does not have, and -1 for a phase that was not reached.
 *
 * @returns undefined for a line that is not a record: it names no frontend, or no time it ended
 */
export function parseAccessLog(buffer: Buffer, start: number, end: number): HopRecord | undefined {
  const fields = new Fields(buffer);
  scanRecord(buffer, start, end, fields.add, KEYS);
  return fields.toRecord();
}

/**
 * Whether the line is of a hop that was not sampled, by a look at its first bytes. Only a line that
 * starts with the hop can say so; any other is worth parsing.
 */
export function isUnsampled(buffer: Buffer, start: number, end: number): boolean {
  const flags = start + HOP_FIELD.length + HopOffset.FLAGS;
  return (
    flags + 1 < end &&
    buffer.compare(HOP_FIELD, 0, HOP_FIELD.length, start, start + HOP_FIELD.length) === 0 &&
    UNSAMPLED.test(buffer.toString('latin1', flags, flags + 2))
  );
}

/** Whether this process of HAProxy was stopping, so that its ring delivers nothing any more. */
export function isStopping(buffer: Buffer, start: number, end: number): boolean {
  let stopping = false;
  const look: FieldSink = (key, valueStart, valueEnd) => {
    if (key === 'stopping') stopping = buffer.toString('latin1', valueStart, valueEnd) === '1';
  };
  scanRecord(buffer, start, end, look, KEYS);
  return stopping;
}

/** Of a line, and of the attributes in it. */
const KEYS = new KeyMemory();
const ATTRIBUTE_KEYS = new KeyMemory();

const HOP_FIELD = Buffer.from('{"hop":"');
/** Two digits of trace flags with the sampled bit clear. */
const UNSAMPLED = /^[0-9a-f][02468ace]$/;

/** The longest escape, `\u0000`: as much may have to go from the end of a text that was cut. */
const ESCAPE_LENGTH = 6;

const MISSING = '-';
const BAD_REQUEST = '<BADREQ>';

/** Headers that came within this many milliseconds, the resolution of the timers, came at once. */
const AT_ONCE = 1;

class Fields {
  private readonly buffer: Buffer;
  private readonly values = new Map<string, string>();
  private attributes: Readonly<Record<string, AttributeValue>> = {};

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  readonly add = (key: string, start: number, end: number, kind: FieldKind): void => {
    if (key === 'attributes') {
      this.attributes = parseAttributes(this.buffer, start, end);
      return;
    }
    const value = readText(this.buffer.toString('utf8', start, end), kind);
    // The first of equal names wins: what clients control comes last in the line.
    if (value !== undefined && !this.values.has(key)) this.values.set(key, value);
  };

  toRecord(): HopRecord | undefined {
    const frontend = this.text('frontend');
    const end = this.number('end');
    if (frontend === undefined || end === undefined) return undefined;

    const hop = this.hop();
    const received = this.positive('received');
    const answered = this.positive('answered');
    const agent =
      received !== undefined && answered !== undefined ? answered - received : undefined;
    const request = this.duration('TR');
    const start = this.start(received, request, agent) ?? end;
    const queue = this.duration('Tw');
    const serverName = this.text('server');

    return {
      hop,
      tracestate: hop === undefined ? undefined : this.text('tracestate'),
      start: Math.min(start, end),
      clientStart: Math.min(turnedToServer(start, answered, request) + (queue ?? 0) * 1000, end),
      end,
      phases: {
        request,
        agent,
        queue,
        connect: this.duration('Tc'),
        response: this.duration('Tr'),
        transfer: this.duration('Td'),
      },
      retries: parseRetries(this.text('retries')),
      terminationState: this.text('termination_state') ?? '',
      method: this.method(),
      tls: frontend.endsWith('~'),
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

  private hop(): Hop | undefined {
    const text = this.text('hop');
    return text === undefined ? undefined : parseHop(text);
  }

  /**
   * The time at which the headers were complete is known to the microsecond, and closest where they came
   * at once. Otherwise HAProxy from 3.0 on says when the first byte came, and before there are the accept
   * date and two durations, all in whole milliseconds.
   */
  private start(
    received: number | undefined,
    request: number | undefined,
    agent: number | undefined,
  ): number | undefined {
    const receiving = (request ?? 0) - (agent ?? 0) / 1000;
    if (received !== undefined && receiving < AT_ONCE) return received;
    const accepted = this.positive('accepted');
    const byTimers =
      accepted === undefined
        ? undefined
        : (accepted + (this.duration('Th') ?? 0) + (this.duration('Ti') ?? 0)) * 1000;
    const start = this.positive('start') ?? byTimers ?? received;
    return start !== undefined && received !== undefined ? Math.min(start, received) : start;
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

/** `%rc`: a number, with `+` in front when the last retry went to another server. */
function parseRetries(text: string | undefined): Retries {
  const count = Number(text ?? 0);
  return {
    count: Number.isInteger(count) && count > 0 ? count : 0,
    redispatched: text?.startsWith('+') ?? false,
  };
}

/** `1.0` or `1.1` as the request line says, `2` and above as the connection does. */
function protocolVersion(major: number | undefined, text: string | undefined): string | undefined {
  return major !== undefined && major > 1 ? String(major) : text?.split('/', 2)[1];
}

/** The text that a field stands for; undefined where its escapes are broken. */
function readText(raw: string, kind: FieldKind): string | undefined {
  switch (kind) {
    case 'raw':
    case 'text':
      return raw;
    case 'escaped':
      return parseJson(`"${raw}"`) as string | undefined;
    case 'cut':
      return readCutText(raw.replace(/\ufffd$/, ''));
    default:
      return kind satisfies never;
  }
}

/** Text without the rest of an escape at its end. */
function readCutText(raw: string): string | undefined {
  for (let dropped = 0; dropped < ESCAPE_LENGTH; dropped += 1) {
    const value = parseJson(`"${raw.slice(0, raw.length - dropped)}"`);
    if (typeof value === 'string') return value;
  }
  return undefined;
}

/** The user's own fields: what is not a value that a span attribute can have is left out. */
function parseAttributes(
  buffer: Buffer,
  start: number,
  end: number,
): Readonly<Record<string, AttributeValue>> {
  const attributes: Record<string, AttributeValue> = {};
  const add: FieldSink = (key, valueStart, valueEnd, kind) => {
    const raw = buffer.toString('utf8', valueStart, valueEnd);
    const value = parseJson(kind === 'raw' ? raw : `"${raw}"`);
    if (key !== '' && !isMissing(value) && isAttributeValue(value)) attributes[key] = value;
  };
  scanRecord(buffer, start, end, add, ATTRIBUTE_KEYS);
  return attributes;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A header that a request did not have is `"-"`, or `["-"]` where it is written as a list. */
function isMissing(value: unknown): boolean {
  return value === MISSING || (Array.isArray(value) && value.every((item) => item === MISSING));
}

function isAttributeValue(value: unknown): value is AttributeValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    default:
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
  }
}
