import {
  ATTR_CLIENT_ADDRESS,
  ATTR_CLIENT_PORT,
  ATTR_HTTP_REQUEST_HEADER,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_HTTP_REQUEST_RESEND_COUNT,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_NETWORK_PEER_ADDRESS,
  ATTR_NETWORK_PEER_PORT,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_NETWORK_TRANSPORT,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_FULL,
  ATTR_URL_PATH,
  ATTR_URL_QUERY,
  ATTR_URL_SCHEME,
  ATTR_USER_AGENT_ORIGINAL,
  NETWORK_TRANSPORT_VALUE_UNIX,
} from '@opentelemetry/semantic-conventions';
import { type Hop, HopOffset } from '../../context/hop.ts';
import { SPAN_ID_DIGITS } from '../../context/traceparent.ts';
import { hostAndPort } from '../../endpoint.ts';
import type {
  Endpoint,
  HopRecord,
  PathAndQuery,
  Peer,
  Phases,
  Server,
} from '../../records/record.ts';
import { redactQuery } from '../../records/redaction.ts';
import {
  type AttributeSink,
  endAttributes,
  HaproxyAttribute,
  type SpanEnd,
  set,
} from '../attributes.ts';

/** The conventions have no stable name for a size yet; these two count what %U and %B count. */
const ATTR_HTTP_REQUEST_SIZE = 'http.request.size';
const ATTR_HTTP_RESPONSE_SIZE = 'http.response.size';

const ATTR_REQUEST_ID = ATTR_HTTP_REQUEST_HEADER('x-request-id');

export const OTHER_METHOD = '_OTHER';

/** RFC 9110 and PATCH: what the conventions call known. */
export const KNOWN_METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
]);

/** What goes into a span's name in place of an unknown method. */
export function spanMethod(record: HopRecord): string {
  return record.method !== undefined && KNOWN_METHODS.has(record.method) ? record.method : 'HTTP';
}

/** What most requests have in common comes first, and what is of one alone last: OtlpSpans copies runs of the former. */
export function serverAttributes(
  sink: AttributeSink,
  record: HopRecord,
  hop: Hop,
  end: SpanEnd,
): void {
  const { client, peer, phases } = record;
  const { address, port } = serverEndpoint(record);
  commonAttributes(sink, record, end);
  sink.attribute(ATTR_URL_SCHEME, record.scheme);
  set(sink, ATTR_HTTP_ROUTE, record.route);
  set(sink, ATTR_SERVER_ADDRESS, address);
  set(sink, ATTR_SERVER_PORT, port);
  set(sink, ATTR_NETWORK_PROTOCOL_VERSION, record.protocolVersion);
  if (hop.mintedByHaproxy) sink.attribute(HaproxyAttribute.AGENT_AWAY, true);
  phaseAttributes(sink, phases);
  set(sink, HaproxyAttribute.PHASE_REQUEST, phases.request);
  set(sink, ATTR_USER_AGENT_ORIGINAL, record.userAgent);
  set(sink, ATTR_CLIENT_ADDRESS, client.address);
  peerAddress(sink, peer);
  set(sink, ATTR_HTTP_REQUEST_SIZE, record.requestSize);
  set(sink, ATTR_HTTP_RESPONSE_SIZE, record.responseSize);
  set(sink, HaproxyAttribute.PHASE_RESPONSE, phases.response);
  set(sink, ATTR_CLIENT_PORT, client.port);
  set(sink, ATTR_NETWORK_PEER_PORT, peer.port);
  targetAttributes(sink, record);
  requestIdAttribute(sink, record);
  set(sink, HaproxyAttribute.PHASE_AGENT, phases.agent);
  const { attributes } = record;
  for (const name in attributes) set(sink, name, attributes[name]);
}

export function clientAttributes(sink: AttributeSink, record: HopRecord, end: SpanEnd): void {
  const { server, phases } = record;
  commonAttributes(sink, record, end);
  if (server !== undefined) {
    set(sink, ATTR_SERVER_ADDRESS, addressOf(server));
    set(sink, ATTR_SERVER_PORT, server.port);
    peerAddress(sink, server);
    set(sink, ATTR_NETWORK_PEER_PORT, server.port);
  }
  const { count, redispatched } = record.retries;
  if (count > 0) sink.attribute(ATTR_HTTP_REQUEST_RESEND_COUNT, count);
  if (redispatched) sink.attribute(HaproxyAttribute.REDISPATCHED, true);
  phaseAttributes(sink, phases);
  set(sink, HaproxyAttribute.PHASE_RESPONSE, phases.response);
  if (server !== undefined) urlAttribute(sink, record, server);
}

function commonAttributes(sink: AttributeSink, record: HopRecord, end: SpanEnd): void {
  const { method } = record;
  const known = method !== undefined && KNOWN_METHODS.has(method);
  sink.attribute(ATTR_HTTP_REQUEST_METHOD, known ? method : OTHER_METHOD);
  if (!known) set(sink, ATTR_HTTP_REQUEST_METHOD_ORIGINAL, method);
  endAttributes(sink, record, end);
  set(sink, ATTR_HTTP_RESPONSE_STATUS_CODE, end.status);
}

/** But for that of the response, which is hardly ever the same. */
function phaseAttributes(sink: AttributeSink, { queue, retry, connect, transfer }: Phases): void {
  set(sink, HaproxyAttribute.PHASE_QUEUE, queue);
  set(sink, HaproxyAttribute.PHASE_RETRY, retry);
  set(sink, HaproxyAttribute.PHASE_CONNECT, connect);
  set(sink, HaproxyAttribute.PHASE_TRANSFER, transfer);
}

function peerAddress(sink: AttributeSink, { address, unix }: Peer): void {
  if (unix) sink.attribute(ATTR_NETWORK_TRANSPORT, NETWORK_TRANSPORT_VALUE_UNIX);
  set(sink, ATTR_NETWORK_PEER_ADDRESS, address);
}

function targetAttributes(sink: AttributeSink, record: HopRecord): void {
  const { targetBytes: target } = record;
  if (target === undefined || sink.bytes === undefined) {
    set(sink, ATTR_URL_PATH, record.path);
    set(sink, ATTR_URL_QUERY, redactQuery(record.query));
    return;
  }
  const { buffer, start, pathEnd, queryStart, end } = target;
  sink.bytes(ATTR_URL_PATH, buffer, start, pathEnd, '', false);
  if (target.hasQuery) sink.bytes(ATTR_URL_QUERY, buffer, queryStart, end, '', false);
}

function requestIdAttribute(sink: AttributeSink, record: HopRecord): void {
  const { requestIdBytes: hop } = record;
  if (hop !== undefined && sink.bytes !== undefined) {
    sink.bytes(ATTR_REQUEST_ID, hop.buffer, hop.start, hop.start + REQUEST_ID_LENGTH, '', true);
  } else if (record.requestId !== undefined) {
    sink.attribute(ATTR_REQUEST_ID, [record.requestId]);
  }
}

/** Of the id that the server gets where rules set it: the ids of trace and SERVER span, as they stand in the hop. */
const REQUEST_ID_LENGTH = HopOffset.SPAN_ID + SPAN_ID_DIGITS;

function urlAttribute(sink: AttributeSink, record: HopRecord, server: Server): void {
  const origin = originOf(server);
  if (origin === undefined) return;
  const { targetBytes: target } = record;
  if (target === undefined || record.isSentAsItCame !== true || sink.bytes === undefined) {
    set(sink, ATTR_URL_FULL, fullUrl(origin, record.sent));
    return;
  }
  const end = target.hasQuery ? target.end : target.pathEnd;
  sink.bytes(ATTR_URL_FULL, target.buffer, target.start, end, origin, false);
}

/** The name that the client used, or the address that it reached. */
function serverEndpoint(record: HopRecord): Endpoint {
  const { host, scheme } = record;
  if (host === undefined) return record.local;
  const defaultPort = scheme === 'https' ? 443 : 80;
  const colon = host.indexOf(':');
  if (colon === -1) return { address: host, port: defaultPort };
  const [, bracketed, plain, port] = HOST_AND_PORT.exec(host) ?? [];
  const address = bracketed ?? plain;
  if (address === undefined) return record.local;
  return { address, port: port === undefined ? defaultPort : Number(port) };
}

const HOST_AND_PORT = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/;

/** A server on a unix socket goes by its name: HAProxy does not report the path of the socket. */
export function addressOf({ address, name, unix }: Server): string | undefined {
  return unix ? name : address;
}

/** Scheme, host and port of a server; undefined where it has no address. */
function originOf(server: Server): string | undefined {
  const known = ORIGINS.get(server);
  if (known !== undefined) return known;
  const address = addressOf(server);
  if (address === undefined) return undefined;
  const origin = `${server.tls ? 'https' : 'http'}://${hostAndPort(address, server.port)}`;
  ORIGINS.set(server, origin);
  return origin;
}

const ORIGINS = new WeakMap<Server, string>();

/** Undefined where it is not known what the server was sent. */
function fullUrl(origin: string, sent: PathAndQuery | undefined): string | undefined {
  if (sent === undefined) return undefined;
  const query = redactQuery(sent.query);
  return `${origin}${sent.path}${query === undefined ? '' : `?${query}`}`;
}
