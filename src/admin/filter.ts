import type { HopRecord } from '../records/record.ts';
import { outcomeOf, sentStatus } from '../records/termination.ts';
import type { RecentHop } from './recent-hops.ts';

/** What a viewer wants to see; undefined matches everything. */
export type HopFilter = {
  readonly frontend: string | undefined;
  readonly backend: string | undefined;
  readonly server: string | undefined;
  /** `404`, `5xx`, `error`, `aborted` or `retried`. */
  readonly status: string | undefined;
  /** How a trace id begins. */
  readonly trace: string | undefined;
};

const STATUS = /^([1-5]xx|[1-5]\d\d|error|aborted|retried)$/;
const TRACE = /^[0-9a-f]{1,32}$/;
const TRACE_ID = /^[0-9a-f]{32}$/;
const MAX_NAME = 256;

/** @returns undefined where a parameter is unknown, repeated or cannot be used */
export function parseFilter(parameters: URLSearchParams): HopFilter | undefined {
  const values: Record<string, string> = {};
  for (const [name, value] of parameters) {
    if (value === '') continue;
    if (values[name] !== undefined || !isUsable(name, value)) return undefined;
    values[name] = value;
  }
  return {
    frontend: values.frontend,
    backend: values.backend,
    server: values.server,
    status: values.status,
    trace: values.trace,
  };
}

function isUsable(name: string, value: string): boolean {
  switch (name) {
    case 'frontend':
    case 'backend':
    case 'server':
      return value.length <= MAX_NAME;
    case 'status':
      return STATUS.test(value);
    case 'trace':
      return TRACE.test(value);
    default:
      return false;
  }
}

/** The trace id that is searched for, if it is a whole one. */
export function wholeTrace({ trace }: HopFilter): string | undefined {
  return trace !== undefined && TRACE_ID.test(trace) ? trace : undefined;
}

export function matches(filter: HopFilter, { record, hop }: RecentHop): boolean {
  const { frontend, backend, server, status, trace } = filter;
  if (frontend !== undefined && record.frontend !== frontend) return false;
  if (backend !== undefined && record.backend !== backend) return false;
  if (server !== undefined && record.server?.name !== server) return false;
  if (trace !== undefined && !hop.traceId.startsWith(trace)) return false;
  return status === undefined || hasStatus(record, status);
}

function hasStatus(record: HopRecord, status: string): boolean {
  if (status === 'retried') return record.retries.count > 0;
  const outcome = outcomeOf(record);
  if (status === 'aborted') return outcome.fault === 'client';
  if (status === 'error') return outcome.fault === 'server' || outcome.fault === 'proxy';
  const sent = String(sentStatus(record, outcome) ?? '');
  return status.endsWith('xx') ? sent[0] === status[0] && sent.length === 3 : sent === status;
}
