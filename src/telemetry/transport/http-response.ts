import { STATUS_CODES } from 'node:http';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';
import type { SendResult } from './otlp.ts';
import type { PartialSuccess, SignalProtocol } from './signal.ts';

/** An HTTP response with its whole body. */
export type HttpResponse = {
  readonly status: number;
  readonly headers: {
    readonly 'content-type'?: string | undefined;
    readonly 'content-encoding'?: string | undefined;
    readonly 'retry-after'?: string | undefined;
    readonly location?: string | undefined;
  };
  readonly body: Buffer;
};

/** The codes that the OTLP specification (section "Retryable Response Codes" of OTLP/HTTP) names. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** From a proxy: the receiver was not reached. */
const PROXY_AUTHENTICATION_REQUIRED = 407;
const CONTENT_TOO_LARGE = 413;

/** The largest body that is read, in bytes, and what of a text is repeated in reasons, in characters. */
export const MAX_RESPONSE = 4 * 1024 * 1024;
const MAX_TEXT = 200;

/**
 * What becomes of a batch after this answer.
 *
 * @param target host and port, for reasons
 * @param path of the request, for reasons
 */
export function resultOf(
  response: HttpResponse,
  protocol: SignalProtocol,
  target: string,
  path: string,
): SendResult {
  const { status, headers } = response;
  if (status >= 200 && status < 300) return accepted(response, protocol, target);
  const reason = refusal(response, target, path);
  if (RETRYABLE.has(status)) {
    return { kind: 'retryable', reason, delay: retryDelay(headers['retry-after'], Date.now()) };
  }
  if (status === PROXY_AUTHENTICATION_REQUIRED) {
    return { kind: 'retryable', reason, delay: undefined };
  }
  return { kind: status === CONTENT_TOO_LARGE ? 'too_large' : 'refused', reason };
}

/**
 * Milliseconds that a `Retry-After` asks to wait, in seconds or until a date; a date that is over is none.
 *
 * @param now milliseconds since the epoch
 */
export function retryDelay(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // The date of HTTP has letters in it: Date.parse reads numbers as years.
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function accepted(response: HttpResponse, protocol: SignalProtocol, target: string): SendResult {
  if (response.body.length === 0) return { kind: 'sent', rejected: 0, message: '' };
  const type = mediaType(response);
  // A page in place of an answer: no receiver saw the batch.
  if (type === 'text/html' || (type === '' && response.body[0] === 0x3c)) {
    return {
      kind: 'retryable',
      reason: `${target} answers with a page (text/html) in place of OTLP: OTEL_EXPORTER_OTLP_ENDPOINT has to name an OTLP/HTTP receiver, and what is in front of it has to pass its requests on`,
      delay: undefined,
    };
  }
  const partial = partialSuccessOf(response, type, protocol);
  if (partial !== undefined) return { kind: 'sent', ...partial };
  const message = `HTTP ${response.status} with ${type || 'a body'} that is no OTLP response`;
  return { kind: 'sent', rejected: 0, message };
}

/** Undefined where it cannot be read. */
function partialSuccessOf(
  response: HttpResponse,
  type: string,
  protocol: SignalProtocol,
): PartialSuccess | undefined {
  try {
    const body = contentOf(response);
    switch (type) {
      case 'application/x-protobuf':
      case 'application/protobuf':
        return protocol.readResponse(body);
      case 'application/json':
        return protocol.readJsonResponse(body.toString());
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}

/** The receiver's message, and what it means for the settings where that is known. */
function refusal(response: HttpResponse, target: string, path: string): string {
  const { status, headers } = response;
  const words = textOf(response);
  const message = [`HTTP ${status} ${STATUS_CODES[status] ?? ''}`.trim(), words]
    .filter((text) => text !== '')
    .join(': ');
  switch (status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308: {
      const to = headers.location === undefined ? '' : ` to ${withoutSecrets(headers.location)}`;
      return `${target} redirects${to}, which no exporter follows: OTEL_EXPORTER_OTLP_ENDPOINT has to name the receiver itself (${message})`;
    }
    case 401:
    case 403:
      return `${target} does not accept what OTEL_EXPORTER_OTLP_HEADERS or the client certificate says of the agent (${message})`;
    case 404:
    case 405:
      return `${target} has no OTLP receiver at ${path}: a path is appended to OTEL_EXPORTER_OTLP_ENDPOINT, and the endpoint of one signal is used as it is (${message})`;
    default:
      return message;
  }
}

/** google.rpc.Status as far as it is needed. */
const Status = protobuf
  .parse('syntax = "proto3"; message Status { string message = 2; }')
  .root.lookupType('Status');

/** The text of a response: the message of a Status, or the body itself; of a page its title. */
function textOf(response: HttpResponse): string {
  try {
    const body = contentOf(response);
    const type = mediaType(response);
    if (/protobuf$/.test(type)) return clip(String(Status.toObject(Status.decode(body)).message));
    const text = body.toString();
    if (type === 'application/json') return clip(messageIn(text) ?? text);
    if (type === 'text/html') return clip(/<title>(.*?)<\/title>/is.exec(text)?.[1] ?? 'a page');
    return clip(text);
  } catch {
    return '';
  }
}

function messageIn(json: string): string | undefined {
  const status: unknown = JSON.parse(json);
  if (typeof status !== 'object' || status === null || !('message' in status)) return undefined;
  return typeof status.message === 'string' ? status.message : undefined;
}

function mediaType({ headers }: HttpResponse): string {
  return (headers['content-type'] ?? '').replace(/;.*$/s, '').trim().toLowerCase();
}

/** Some receivers compress responses though the request did not accept that. */
function contentOf({ headers, body }: HttpResponse): Buffer {
  return headers['content-encoding'] === 'gzip'
    ? gunzipSync(body, { maxOutputLength: MAX_RESPONSE })
    : body;
}

function clip(text: string): string {
  const clean = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}…` : clean;
}

function withoutSecrets(location: string): string {
  return clip(location.replace(/[?#].*$/s, '').replace(/\/\/[^/@]*@/, '//'));
}
