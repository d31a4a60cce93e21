import { hostAndPort } from '../endpoint.ts';
import type { Endpoint, HopKind, Phases } from '../records/record.ts';
import { redactQuery } from '../records/redaction.ts';
import { outcomeOf, sentStatus } from '../records/termination.ts';
import type { RecentHop } from './recent-hops.ts';

/** The phases of a hop in the order in which they come. */
const PHASES = [
  'handshake',
  'request',
  'agent',
  'queue',
  'retry',
  'connect',
  'response',
  'transfer',
] as const;
export type PhaseName = (typeof PHASES)[number];

/** One hop as the page shows it; names, paths and headers are text that anybody may have written. */
export type PageHop = {
  readonly traceId: string;
  readonly spanId: string;
  readonly clientSpanId: string | undefined;
  readonly parentId: string | undefined;
  readonly kind: HopKind;
  /** When it ended, in milliseconds since the epoch. */
  readonly end: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly phases: readonly { readonly name: PhaseName; readonly ms: number }[];
  /** The phase in which it ended too early, with the time spent there. */
  readonly unfinished: { readonly name: PhaseName; readonly ms: number } | undefined;
  readonly frontend: string;
  readonly backend: string | undefined;
  readonly server: string | undefined;
  readonly serverAddress: string | undefined;
  readonly method: string | undefined;
  readonly host: string | undefined;
  readonly path: string | undefined;
  readonly query: string | undefined;
  readonly route: string | undefined;
  /** What was sent to the client, if anything was. */
  readonly status: number | undefined;
  readonly cause: string | undefined;
  readonly fault: 'none' | 'client' | 'server' | 'proxy';
  readonly terminationState: string | undefined;
  readonly connectionError: string | undefined;
  readonly retries: number;
  readonly redispatched: boolean;
  readonly client: string | undefined;
  readonly userAgent: string | undefined;
  readonly requestId: string | undefined;
  readonly protocolVersion: string | undefined;
  readonly tls: boolean;
  readonly requestSize: number | undefined;
  readonly responseSize: number | undefined;
  readonly mintedByHaproxy: boolean;
};

export function viewHop({ record, hop }: RecentHop): PageHop {
  const outcome = outcomeOf(record);
  const duration = (record.end - record.start) / 1000;
  const phases = phasesOf(record.kind, record.phases);
  const cutShort = record.kind === 'http' && outcome.cause !== undefined;
  return {
    traceId: hop.traceId,
    spanId: hop.spanId,
    clientSpanId: outcome.triedServer ? hop.clientSpanId : undefined,
    parentId: hop.parentId,
    kind: record.kind,
    end: record.end / 1000,
    duration,
    phases,
    unfinished: cutShort ? unfinishedPhase(record.phases, phases, duration) : undefined,
    frontend: record.frontend,
    backend: record.backend,
    server: record.server?.name,
    serverAddress: record.server === undefined ? undefined : formatEndpoint(record.server),
    method: record.method,
    host: record.host,
    path: record.path,
    query: redactQuery(record.query),
    route: record.route,
    status: sentStatus(record, outcome),
    cause: outcome.cause,
    fault: outcome.fault,
    terminationState: record.terminationState,
    connectionError: record.connectionError,
    retries: record.retries.count,
    redispatched: record.retries.redispatched,
    client: formatEndpoint(record.client),
    userAgent: record.userAgent,
    requestId: record.requestId,
    protocolVersion: record.protocolVersion,
    tls: record.tls,
    requestSize: record.requestSize,
    responseSize: record.responseSize,
    mintedByHaproxy: hop.mintedByHaproxy,
  };
}

/**
 * The wait for this agent is a part of the request's time: here the two are separate. The handshake is a part
 * of a connection, not of its requests.
 */
function phasesOf(kind: HopKind, phases: Phases): { name: PhaseName; ms: number }[] {
  const agent = phases.agent === undefined ? undefined : phases.agent / 1000;
  const request =
    phases.request === undefined ? undefined : Math.max(0, phases.request - (agent ?? 0));
  const handshake = kind === 'http' ? undefined : phases.handshake;
  const times = { ...phases, agent, request, handshake };
  return PHASES.flatMap((name) => {
    const ms = times[name];
    return ms === undefined ? [] : [{ name, ms }];
  });
}

/** Milliseconds: less than this is what the resolution of HAProxy's timers leaves. */
const LEAST_UNFINISHED = 2;

/** HAProxy has no time for a phase that did not come to its end: what is left of the whole was spent in it. */
function unfinishedPhase(
  times: Phases,
  phases: readonly { readonly ms: number }[],
  duration: number,
): { name: PhaseName; ms: number } | undefined {
  const order = ['request', 'queue', 'connect', 'response', 'transfer'] as const;
  const first = times.retry === undefined ? 0 : order.indexOf('response');
  const name = order.slice(first).find((phase) => times[phase] === undefined);
  if (name === undefined) return undefined;
  const ms = duration - phases.reduce((sum, phase) => sum + phase.ms, 0);
  return ms < LEAST_UNFINISHED ? undefined : { name, ms };
}

function formatEndpoint({ address, port }: Endpoint): string | undefined {
  return address === undefined ? undefined : hostAndPort(address, port);
}
