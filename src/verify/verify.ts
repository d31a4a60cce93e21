import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { formatAddress, type ListenAddress } from '../listen-address.ts';
import { type AdminAccess, type AgentView, fetchTrace, type SeenHop } from './agent-view.ts';
import { faultOf, requestFault } from './fault.ts';
import { type Probe, type ProbeOptions, probe, type TraceContext } from './probe.ts';
import { checkSpop } from './spop-check.ts';

/** One thing that was verified, on the way of the request. */
export type Step = {
  readonly name: 'request' | 'trace' | 'upstream' | 'spop' | 'agent' | 'record' | 'export';
  /** `unseen` could not be verified, `skipped` does not apply. */
  readonly state: 'ok' | 'failed' | 'unseen' | 'skipped';
  readonly text: string;
};

export type VerifyOptions = ProbeOptions & {
  /** Where the agent listens for HAProxy. */
  readonly spop: ListenAddress;
  /** Whether the address was set, and is not just the default. */
  readonly isSpopKnown: boolean;
  /** Whether it wants to see a certificate of who connects from TCP. */
  readonly isSpopSecured: boolean;
  /** Undefined where there is no admin listener. */
  readonly admin: AdminAccess | undefined;
  /** The timeout of record and export, in milliseconds. */
  readonly patience: number;
};

export type Verified = {
  /** Undefined where the request had no response. */
  readonly traceId: string | undefined;
  readonly steps: readonly Step[];
};

/** Milliseconds between two requests to the agent. */
const INTERVAL = 100;

/** Sends one request through HAProxy and follows it to the receiver, as far as possible. */
export async function verify(options: VerifyOptions): Promise<Verified> {
  const own = randomBytes(16).toString('hex');
  // Asked for before it is sent: a busy agent stores only some hops, and all of watched traces.
  const before = await readAgent(options.admin, own);
  let sent: Probe;
  try {
    sent = await probe(options, own);
  } catch (error) {
    const { url, host } = options;
    const text = requestFault(url, host ?? url.hostname, error);
    return { traceId: undefined, steps: [{ name: 'request', state: 'failed', text }] };
  }
  const traceId = sent.reported?.traceId ?? sent.upstream?.traceId ?? sent.traceId;
  const { hop, steps: followed } = await follow(traceId, sent, before, options);
  const spop = await spopStep(
    options,
    followed.some(({ name, state }) => name === 'agent' && state === 'ok'),
  );
  const steps: Step[] = [
    {
      name: 'request',
      state: 'ok',
      text: `GET ${options.url} answered ${sent.status} in ${sent.duration.toFixed(1)} ms`,
    },
    traceStep(sent, sent.reported ?? (hop && { traceId, spanId: hop.spanId }) ?? started(sent)),
    upstreamStep(sent, traceId),
    spop,
    ...followed,
  ];
  return { traceId, steps };
}

/** A trace of HAProxy's own, which it does not report where it does not sample it: what the server received. */
function started({ traceId, upstream }: Probe): TraceContext | undefined {
  return upstream?.traceId === traceId ? undefined : upstream;
}

/** @param answered whether HAProxy got an answer from the agent to this request, wherever that is */
async function spopStep(
  { spop, isSpopKnown, isSpopSecured }: VerifyOptions,
  answered: boolean,
): Promise<Step> {
  const name = 'spop';
  const where = formatAddress(spop);
  if (spop.kind === 'fd') {
    return { name, state: 'unseen', text: `${where} says nothing to another process: see --spop` };
  }
  if (spop.kind === 'tcp' && isSpopSecured) {
    const text = `${where} answers only who shows a certificate (HAPROXY_OTEL_TLS_CLIENT_CA): not asked`;
    return { name, state: 'unseen', text };
  }
  try {
    await checkSpop(spop);
    return { name, state: 'ok', text: `the agent answers at ${where}` };
  } catch (error) {
    const reason = faultOf(error);
    if (answered && !isSpopKnown) {
      const text = `not at ${where}: ${reason}. HAProxy got an answer all the same: --spop says where the agent is`;
      return { name, state: 'unseen', text };
    }
    const text = `no agent answers at ${where} (HAPROXY_OTEL_SPOP): ${reason}. Start it (systemctl start haproxy-otel-spoa), or correct the address; until then HAProxy itself makes the ids`;
    return { name, state: 'failed', text };
  }
}

/** @param span HAProxy's, as the response has it, or else the record */
function traceStep(
  { traceId }: Probe,
  span: { readonly traceId: string; readonly spanId: string } | undefined,
): Step {
  const name = 'trace';
  if (span === undefined) {
    const text =
      'neither the response nor a record has it: the request did not come through a traced frontend (one of mode tcp has no requests), or another agent has the record';
    return { name, state: 'unseen', text };
  }
  if (span.traceId === traceId) {
    return { name, state: 'ok', text: `${traceId} is continued; HAProxy's span is ${span.spanId}` };
  }
  const text = `a new one, ${span.traceId}, in place of the one that was sent: txn.otel.trust says so, or the agent has another order of formats`;
  return { name, state: 'ok', text };
}

function upstreamStep({ spanId, upstream }: Probe, expected: string): Step {
  const name = 'upstream';
  if (upstream === undefined) {
    const text =
      'the server does not show what it got; one that answers with its request headers would';
    return { name, state: 'skipped', text };
  }
  if (upstream.spanId === spanId) {
    const text = 'the server got the traceparent of the client: HAProxy does not set its own';
    return { name, state: 'failed', text };
  }
  if (upstream.traceId !== expected) {
    const text = `the server got trace ${upstream.traceId}, HAProxy says ${expected}`;
    return { name, state: 'failed', text };
  }
  return { name, state: 'ok', text: `the server got trace ${expected}, parent ${upstream.spanId}` };
}

/** What only the agent knows. */
type AgentState = { readonly view: AgentView } | { readonly reason: string };

async function readAgent(admin: AdminAccess | undefined, traceId: string): Promise<AgentState> {
  if (admin === undefined) return { reason: 'the admin listener of the agent is off' };
  try {
    return { view: await fetchTrace(admin, traceId) };
  } catch (error) {
    const where = formatAddress(admin.address);
    return {
      reason: `the admin listener of the agent cannot be asked at ${where}: ${faultOf(error)}; its address is that of --admin or HAPROXY_OTEL_ADMIN`,
    };
  }
}

/** The steps behind HAProxy, and the hop as its record has it, if that was seen. */
type Followed = { readonly hop: SeenHop | undefined; readonly steps: readonly Step[] };

async function follow(
  traceId: string,
  { spanId, reported, upstream }: Probe,
  before: AgentState,
  { admin, patience }: VerifyOptions,
): Promise<Followed> {
  if ('reason' in before) return unseen(before.reason);
  if ((reported ?? upstream)?.sampled === false) {
    return unseen('the trace is not sampled, and nothing of it is kept');
  }
  const deadline = performance.now() + patience;
  const isOver = (): boolean => performance.now() > deadline;
  let state = await readAgent(admin, traceId);
  while ('view' in state && state.view.hop === undefined && !isOver()) {
    await pause(INTERVAL);
    state = await readAgent(admin, traceId);
  }
  if ('reason' in state) return unseen(state.reason);
  const { view } = state;
  if (view.hop === undefined) {
    const isTraced = reported !== undefined || (upstream?.spanId ?? spanId) !== spanId;
    const causes = isTraced
      ? 'ring and log lines'
      : 'whether the frontend is traced, and of mode http, and at ring and log lines';
    const text = `no record of this trace in ${patience / 1000} s at this agent: "haproxy-otel-spoa check" looks at ${causes}`;
    const steps: Step[] = [
      { name: 'agent', state: 'unseen', text: 'only the record says whether the agent answered' },
      { name: 'record', state: 'failed', text },
      { name: 'export', state: 'failed', text: 'there is nothing to export' },
    ];
    return { hop: undefined, steps };
  }
  const { frontend, server, agentWait, mintedByHaproxy } = view.hop;
  const waited = agentWait === undefined ? '' : ` after ${agentWait} us`;
  const steps: Step[] = [
    mintedByHaproxy
      ? { name: 'agent', state: 'failed', text: `no answer${waited}: HAProxy itself made the ids` }
      : { name: 'agent', state: 'ok', text: `answered${waited}` },
    {
      name: 'record',
      state: 'ok',
      text: `received from frontend ${frontend}, server ${server ?? 'none'}`,
    },
    await exportStep(before.view, view, () => readAgent(admin, traceId), isOver),
  ];
  return { hop: view.hop, steps };
}

/**
 * Spans leave in the order in which they came: those of the hop are gone when as many are as waited when it was first
 * seen.
 */
async function exportStep(
  before: AgentView,
  seen: AgentView,
  state: () => Promise<AgentState>,
  isOver: () => boolean,
): Promise<Step> {
  const name = 'export';
  const { kind, target } = seen.exporter;
  if (kind !== 'otlp') return { name, state: 'skipped', text: `the exporter is "${kind}"` };
  const goal = Math.max(before.spans.exported + 1, seen.spans.exported + seen.spans.waiting);
  const lost = before.spans.refused + before.spans.dropped;
  for (let view = seen; ; ) {
    const { exporter, spans } = view;
    if (spans.refused + spans.dropped > lost) {
      const text = `${spans.refused + spans.dropped - lost} spans were refused or dropped meanwhile: ${exporter.reason ?? 'the log of the agent says why'}`;
      return { name, state: 'failed', text };
    }
    if (spans.exported >= goal) {
      return { name, state: 'ok', text: `accepted by ${target ?? 'the receiver'}` };
    }
    if (isOver()) {
      const why = exporter.works
        ? `${spans.waiting} spans wait for ${target ?? 'the receiver'}`
        : `${target ?? 'the receiver'} fails: ${exporter.reason ?? 'the log of the agent says why'}`;
      return { name, state: 'failed', text: `not accepted in time: ${why}` };
    }
    await pause(INTERVAL);
    const next = await state();
    if ('reason' in next) return { name, state: 'unseen', text: next.reason };
    view = next.view;
  }
}

function unseen(reason: string): Followed {
  const steps: Step[] = [
    { name: 'agent', state: 'unseen', text: reason },
    { name: 'record', state: 'unseen', text: 'for the same reason' },
    { name: 'export', state: 'unseen', text: 'for the same reason' },
  ];
  return { hop: undefined, steps };
}
