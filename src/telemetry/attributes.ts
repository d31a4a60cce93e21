import type { Attributes, AttributeValue } from '@opentelemetry/api';
import {
  ATTR_CLIENT_ADDRESS,
  ATTR_CLIENT_PORT,
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_HEADER,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_HTTP_REQUEST_RESEND_COUNT,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_NETWORK_PEER_ADDRESS,
  ATTR_NETWORK_PEER_PORT,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_FULL,
  ATTR_URL_PATH,
  ATTR_URL_QUERY,
  ATTR_URL_SCHEME,
  ATTR_USER_AGENT_ORIGINAL,
} from '@opentelemetry/semantic-conventions';
import type { Endpoint, HopRecord } from '../records/record.ts';

/** The conventions have no stable name for a size yet; these two count what %U and %B count. */
const ATTR_HTTP_REQUEST_SIZE = 'http.request.size';
const ATTR_HTTP_RESPONSE_SIZE = 'http.response.size';

const ATTR_REQUEST_ID = ATTR_HTTP_REQUEST_HEADER('x-request-id');

/** HAProxy's own; each is explained in the README. */
const ATTR_FRONTEND_NAME = 'haproxy.frontend.name';
const ATTR_BACKEND_NAME = 'haproxy.backend.name';
const ATTR_SERVER_NAME = 'haproxy.server.name';
const ATTR_TERMINATION_STATE = 'haproxy.termination_state';
const ATTR_REDISPATCHED = 'haproxy.redispatched';
const ATTR_AGENT_AWAY = 'haproxy.agent_away';
const ATTR_PHASE_REQUEST = 'haproxy.phase.request_ms';
const ATTR_PHASE_AGENT = 'haproxy.phase.agent_us';
const ATTR_PHASE_QUEUE = 'haproxy.phase.queue_ms';
const ATTR_PHASE_CONNECT = 'haproxy.phase.connect_ms';
const ATTR_PHASE_RESPONSE = 'haproxy.phase.response_ms';
const ATTR_PHASE_TRANSFER = 'haproxy.phase.transfer_ms';

const OTHER_METHOD = '_OTHER';

/** RFC 9110 and PATCH: what the conventions call known. */
const KNOWN_METHODS = new Set([
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

/** Query parameters whose values the conventions want hidden. */
const SECRET_PARAMETERS = new Set(['AWSAccessKeyId', 'Signature', 'sig', 'X-Goog-Signature']);

/** What goes into a span's name in place of an unknown method. */
export function spanMethod(record: HopRecord): string {
  return record.method !== undefined && KNOWN_METHODS.has(record.method) ? record.method : 'HTTP';
}

export function serverAttributes(record: HopRecord, errorType: string | undefined): Attributes {
  const { address, port } = serverEndpoint(record);
  const attributes = commonAttributes(record, errorType);
  attributes[ATTR_URL_SCHEME] = record.tls ? 'https' : 'http';
  set(attributes, ATTR_URL_PATH, record.path);
  set(attributes, ATTR_URL_QUERY, redactQuery(record.query));
  set(attributes, ATTR_HTTP_ROUTE, record.route);
  set(attributes, ATTR_SERVER_ADDRESS, address);
  set(attributes, ATTR_SERVER_PORT, port);
  set(attributes, ATTR_CLIENT_ADDRESS, record.peer.address);
  set(attributes, ATTR_CLIENT_PORT, record.peer.port);
  set(attributes, ATTR_NETWORK_PEER_ADDRESS, record.peer.address);
  set(attributes, ATTR_NETWORK_PEER_PORT, record.peer.port);
  set(attributes, ATTR_NETWORK_PROTOCOL_VERSION, record.protocolVersion);
  set(attributes, ATTR_USER_AGENT_ORIGINAL, record.userAgent);
  if (record.requestId !== undefined) attributes[ATTR_REQUEST_ID] = [record.requestId];
  set(attributes, ATTR_HTTP_RESPONSE_STATUS_CODE, record.statusCode);
  set(attributes, ATTR_HTTP_REQUEST_SIZE, record.requestSize);
  set(attributes, ATTR_HTTP_RESPONSE_SIZE, record.responseSize);
  set(attributes, ATTR_PHASE_REQUEST, record.phases.request);
  set(attributes, ATTR_PHASE_AGENT, record.phases.agent);
  if (record.hop?.mintedByHaproxy) attributes[ATTR_AGENT_AWAY] = true;
  for (const name of Object.keys(record.attributes)) {
    set(attributes, name, record.attributes[name]);
  }
  return attributes;
}

/** @param statusCode what the server itself answered, undefined when it did not */
export function clientAttributes(
  record: HopRecord,
  errorType: string | undefined,
  statusCode: number | undefined,
): Attributes {
  const attributes = commonAttributes(record, errorType);
  set(attributes, ATTR_SERVER_ADDRESS, record.server?.address);
  set(attributes, ATTR_SERVER_PORT, record.server?.port);
  set(attributes, ATTR_NETWORK_PEER_ADDRESS, record.server?.address);
  set(attributes, ATTR_NETWORK_PEER_PORT, record.server?.port);
  set(attributes, ATTR_URL_FULL, fullUrl(record));
  set(attributes, ATTR_HTTP_RESPONSE_STATUS_CODE, statusCode);
  const { count, redispatched } = record.retries;
  if (count > 0) attributes[ATTR_HTTP_REQUEST_RESEND_COUNT] = count;
  if (redispatched) attributes[ATTR_REDISPATCHED] = true;
  return attributes;
}

function commonAttributes(record: HopRecord, errorType: string | undefined): Attributes {
  const { method, phases } = record;
  const known = method !== undefined && KNOWN_METHODS.has(method);
  const attributes: Attributes = { [ATTR_HTTP_REQUEST_METHOD]: known ? method : OTHER_METHOD };
  if (!known) set(attributes, ATTR_HTTP_REQUEST_METHOD_ORIGINAL, method);
  set(attributes, ATTR_ERROR_TYPE, errorType);
  attributes[ATTR_FRONTEND_NAME] = record.frontend;
  set(attributes, ATTR_BACKEND_NAME, record.backend);
  set(attributes, ATTR_SERVER_NAME, record.server?.name);
  attributes[ATTR_TERMINATION_STATE] = record.terminationState;
  set(attributes, ATTR_PHASE_QUEUE, phases.queue);
  set(attributes, ATTR_PHASE_CONNECT, phases.connect);
  set(attributes, ATTR_PHASE_RESPONSE, phases.response);
  set(attributes, ATTR_PHASE_TRANSFER, phases.transfer);
  return attributes;
}

function set(attributes: Attributes, name: string, value: AttributeValue | undefined): void {
  if (value !== undefined) attributes[name] = value;
}

/** The name that the client used, or the address that it reached. */
function serverEndpoint(record: HopRecord): Endpoint {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(record.host ?? '');
  const [, host, port] = match ?? [];
  if (host === undefined) return record.local;
  return {
    address: host.replace(/^\[(.*)\]$/, '$1'),
    port: port === undefined ? (record.tls ? 443 : 80) : Number(port),
  };
}

function fullUrl(record: HopRecord): string | undefined {
  const { server, path } = record;
  if (server?.address === undefined || path === undefined) return undefined;
  const host = server.address.includes(':') ? `[${server.address}]` : server.address;
  const port = server.port === undefined ? '' : `:${server.port}`;
  const query = redactQuery(record.query);
  const scheme = server.tls ? 'https' : 'http';
  return `${scheme}://${host}${port}${path}${query === undefined ? '' : `?${query}`}`;
}

function redactQuery(query: string | undefined): string | undefined {
  if (query === undefined || query === '') return undefined;
  return query
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      return equals !== -1 && SECRET_PARAMETERS.has(pair.slice(0, equals))
        ? `${pair.slice(0, equals)}=REDACTED`
        : pair;
    })
    .join('&');
}
