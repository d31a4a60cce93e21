import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions';
import type { HopRecord } from '../../records/record.ts';
import { answeredErrorType, sentErrorType } from '../../records/termination.ts';
import { HaproxyAttribute } from '../attributes.ts';
import { addressOf, KNOWN_METHODS, OTHER_METHOD } from '../spans/http-attributes.ts';
import { type Cell, knownVersion } from './cells.ts';
import type { MetricAttributes } from './points.ts';

const ATTR_NETWORK_IO_DIRECTION = 'network.io.direction';

/** A request as HAProxy's client sees it. */
export function serverAttributes(record: HopRecord, { sent, outcome }: Cell): MetricAttributes {
  return present([
    [ATTR_HTTP_REQUEST_METHOD, methodOf(record)],
    [ATTR_URL_SCHEME, record.scheme],
    [ATTR_HTTP_RESPONSE_STATUS_CODE, sent],
    [ATTR_ERROR_TYPE, sentErrorType(outcome, sent)],
    [ATTR_HTTP_ROUTE, record.route],
    [ATTR_NETWORK_PROTOCOL_VERSION, knownVersion(record.protocolVersion)],
    ...frontendAttributes(record),
  ]);
}

/** A request as HAProxy's server sees it. */
export function clientAttributes(record: HopRecord, { answered, outcome }: Cell): MetricAttributes {
  const { server } = record;
  return present([
    [ATTR_HTTP_REQUEST_METHOD, methodOf(record)],
    [ATTR_SERVER_ADDRESS, server && addressOf(server)],
    [ATTR_SERVER_PORT, server?.port],
    [ATTR_HTTP_RESPONSE_STATUS_CODE, answered],
    [ATTR_ERROR_TYPE, answeredErrorType(outcome, answered)],
    ...backendAttributes(record),
  ]);
}

export function endAttributes(record: HopRecord, { sent, outcome }: Cell): MetricAttributes {
  const status = record.kind === 'http' ? sent : undefined;
  return present([
    [ATTR_ERROR_TYPE, sentErrorType(outcome, status)],
    [HaproxyAttribute.FAULT, outcome.fault === 'none' ? undefined : outcome.fault],
    ...frontendAttributes(record),
  ]);
}

export function connectionAttributes(record: HopRecord, { outcome }: Cell): MetricAttributes {
  return present([
    [ATTR_ERROR_TYPE, outcome.cause],
    ...frontendAttributes(record),
    [HaproxyAttribute.SERVER_NAME, record.server?.name],
  ]);
}

export function ioAttributes(
  record: HopRecord,
  direction: 'receive' | 'transmit',
): MetricAttributes {
  return present([[ATTR_NETWORK_IO_DIRECTION, direction], ...frontendAttributes(record)]);
}

/** By frontend and backend. */
export function sizeAttributes(record: HopRecord): MetricAttributes {
  return present(frontendAttributes(record));
}

/** By backend and server. */
export function phaseAttributes(record: HopRecord): MetricAttributes {
  return present(backendAttributes(record));
}

type Entry = readonly [name: string, value: string | number | undefined];

function frontendAttributes({ frontend, backend }: HopRecord): Entry[] {
  return [
    [HaproxyAttribute.FRONTEND_NAME, frontend],
    [HaproxyAttribute.BACKEND_NAME, backend],
  ];
}

function backendAttributes({ backend, server }: HopRecord): Entry[] {
  return [
    [HaproxyAttribute.BACKEND_NAME, backend],
    [HaproxyAttribute.SERVER_NAME, server?.name],
  ];
}

function methodOf({ method }: HopRecord): string {
  return method !== undefined && KNOWN_METHODS.has(method) ? method : OTHER_METHOD;
}

function present(entries: readonly Entry[]): MetricAttributes {
  return Object.fromEntries(
    entries.filter((entry): entry is readonly [string, string | number] => entry[1] !== undefined),
  );
}
