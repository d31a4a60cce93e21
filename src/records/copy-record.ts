import { copyHop } from '../context/hop-view.ts';
import type { HopRecord } from './record.ts';

/** The same, of which all stays as it is but the bytes of the line. */
export function copyRecord(record: HopRecord): HopRecord {
  return {
    kind: record.kind,
    hop: record.hop === undefined ? undefined : copyHop(record.hop),
    tracestate: record.tracestate,
    start: record.start,
    clientStart: record.clientStart,
    end: record.end,
    phases: { ...record.phases },
    retries: record.retries,
    terminationState: record.terminationState,
    connectionError: record.connectionError,
    method: record.method,
    tls: record.tls,
    scheme: record.scheme,
    host: record.host,
    path: record.path,
    query: record.query,
    sent: record.sent,
    protocolVersion: record.protocolVersion,
    userAgent: record.userAgent,
    requestId: record.requestId,
    route: record.route,
    baggage: record.baggage,
    statusCode: record.statusCode,
    serverStatusCode: record.serverStatusCode,
    requestSize: record.requestSize,
    responseSize: record.responseSize,
    client: { address: record.client.address, port: record.client.port },
    peer: record.peer,
    local: record.local,
    server: record.server,
    frontend: record.frontend,
    backend: record.backend,
    attributes: record.attributes,
    line: record.line,
  };
}
