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
import type { Hop } from '../context/hop.ts';
import { hostAndPort } from '../endpoint.ts';
import type { Endpoint, HopRecord, Peer, Resource, Server } from '../records/record.ts';
import { redactQuery } from '../records/redaction.ts';
import {
  type AttributeSink,
  type End,
  endAttributes,
  HaproxyAttribute,
  set,
} from './attributes.ts';

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

export function serverAttributes(sink: AttributeSink, record: HopRecord, hop: Hop, end: End): void {
  commonAttributes(sink, record, end);
  const { address, port } = serverEndpoint(record);
  sink.attribute(ATTR_URL_SCHEME, record.scheme);
  set(sink, ATTR_URL_PATH, record.path);
  set(sink, ATTR_URL_QUERY, redactQuery(record.query));
  set(sink, ATTR_HTTP_ROUTE, record.route);
  set(sink, ATTR_SERVER_ADDRESS, address);
  set(sink, ATTR_SERVER_PORT, port);
  set(sink, ATTR_CLIENT_ADDRESS, record.client.address);
  set(sink, ATTR_CLIENT_PORT, record.client.port);
  peerAttributes(sink, record.peer);
  set(sink, ATTR_NETWORK_PROTOCOL_VERSION, record.protocolVersion);
  set(sink, ATTR_USER_AGENT_ORIGINAL, record.userAgent);
  if (record.requestId !== undefined) sink.attribute(ATTR_REQUEST_ID, [record.requestId]);
  set(sink, ATTR_HTTP_RESPONSE_STATUS_CODE, end.status);
  set(sink, ATTR_HTTP_REQUEST_SIZE, record.requestSize);
  set(sink, ATTR_HTTP_RESPONSE_SIZE, record.responseSize);
  set(sink, HaproxyAttribute.PHASE_REQUEST, record.phases.request);
  set(sink, HaproxyAttribute.PHASE_AGENT, record.phases.agent);
  if (hop.mintedByHaproxy) sink.attribute(HaproxyAttribute.AGENT_AWAY, true);
  for (const name of Object.keys(record.attributes)) {
    set(sink, name, record.attributes[name]);
  }
}

export function clientAttributes(sink: AttributeSink, record: HopRecord, end: End): void {
  commonAttributes(sink, record, end);
  const { server } = record;
  if (server !== undefined) {
    set(sink, ATTR_SERVER_ADDRESS, addressOf(server));
    set(sink, ATTR_SERVER_PORT, server.port);
    peerAttributes(sink, server);
    set(sink, ATTR_URL_FULL, fullUrl(server, record.sent));
  }
  set(sink, ATTR_HTTP_RESPONSE_STATUS_CODE, end.status);
  const { count, redispatched } = record.retries;
  if (count > 0) sink.attribute(ATTR_HTTP_REQUEST_RESEND_COUNT, count);
  if (redispatched) sink.attribute(HaproxyAttribute.REDISPATCHED, true);
}

function commonAttributes(sink: AttributeSink, record: HopRecord, end: End): void {
  const { method, phases } = record;
  const known = method !== undefined && KNOWN_METHODS.has(method);
  sink.attribute(ATTR_HTTP_REQUEST_METHOD, known ? method : OTHER_METHOD);
  if (!known) set(sink, ATTR_HTTP_REQUEST_METHOD_ORIGINAL, method);
  endAttributes(sink, record, end);
  set(sink, HaproxyAttribute.PHASE_QUEUE, phases.queue);
  set(sink, HaproxyAttribute.PHASE_RETRY, phases.retry);
  set(sink, HaproxyAttribute.PHASE_CONNECT, phases.connect);
  set(sink, HaproxyAttribute.PHASE_RESPONSE, phases.response);
  set(sink, HaproxyAttribute.PHASE_TRANSFER, phases.transfer);
}

function peerAttributes(sink: AttributeSink, { address, port, unix }: Peer): void {
  if (unix) sink.attribute(ATTR_NETWORK_TRANSPORT, NETWORK_TRANSPORT_VALUE_UNIX);
  set(sink, ATTR_NETWORK_PEER_ADDRESS, address);
  set(sink, ATTR_NETWORK_PEER_PORT, port);
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

/** A server on a unix socket goes by its name: HAProxy does not say the path of the socket. */
export function addressOf({ address, name, unix }: Server): string | undefined {
  return unix ? name : address;
}

/** Undefined where it is not known what the server was sent. */
function fullUrl(server: Server, sent: Resource | undefined): string | undefined {
  const address = addressOf(server);
  if (address === undefined || sent === undefined) return undefined;
  const query = redactQuery(sent.query);
  const scheme = server.tls ? 'https' : 'http';
  return `${scheme}://${hostAndPort(address, server.port)}${sent.path}${query === undefined ? '' : `?${query}`}`;
}
