import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { errorText } from '../error-text.ts';
import { formatAddress, type ListenAddress, socketPath } from '../listen-address.ts';

/** How to reach the running agent's admin listener. */
export type AdminAccess = {
  readonly address: ListenAddress;
  /** File with the token that it asks for. */
  readonly tokenFile: string | undefined;
};

/** The agent's view of one trace, and of its exporter at the same moment. */
export type AgentView = {
  /** Undefined as long as no record of it came. */
  readonly hop: SeenHop | undefined;
  readonly exporter: {
    readonly kind: string;
    readonly target: string | undefined;
    readonly works: boolean;
    readonly reason: string | undefined;
  };
  /** Since the agent's start, and how many wait now. */
  readonly spans: {
    readonly exported: number;
    readonly refused: number;
    readonly dropped: number;
    readonly waiting: number;
  };
};

export type SeenHop = {
  readonly spanId: string;
  readonly frontend: string;
  readonly server: string | undefined;
  /** How long HAProxy waited for the agent, in microseconds. */
  readonly agentWait: number | undefined;
  /** Whether the agent did not answer, so that HAProxy itself continued or started the trace. */
  readonly mintedByHaproxy: boolean;
};

/** The timeout for an answer of the agent, in milliseconds. */
const TIMEOUT = 5_000;

/** Of the answer at most, in bytes. */
const MAX_BYTES = 4_194_304;

/**
 * Asks the agent's admin listener for the hops of a trace: `/api/live?trace=…`.
 *
 * @throws Error with what was wrong, where it cannot be reached or understood
 */
export async function fetchTrace(access: AdminAccess, traceId: string): Promise<AgentView> {
  const { address, tokenFile } = access;
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  const { status, body } = await get(address, `/api/live?trace=${traceId}`, token);
  if (status === 401) {
    throw new Error(
      'it wants a token: HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed, or root for that of the service',
    );
  }
  if (status === 421) {
    throw new Error(
      'it does not go by this name: HAPROXY_OTEL_ADMIN_HOSTS of the agent has to name it',
    );
  }
  if (status !== 200) throw new Error(`it answers ${status}`);
  return readView(parse(body), traceId);
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Error(
      `the file of HAPROXY_OTEL_ADMIN_TOKEN_FILE cannot be read: ${errorText(error)}`,
    );
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function get(
  address: ListenAddress,
  path: string,
  token: string | undefined,
): Promise<{ status: number; body: string }> {
  if (address.kind === 'fd') {
    throw new Error(`${formatAddress(address)} says nothing to another process`);
  }
  const where =
    address.kind === 'tcp'
      ? { host: address.host, port: address.port }
      : { socketPath: socketPath(address) };
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const headers = { ...authorization, ...(address.kind === 'tcp' ? {} : { host: 'localhost' }) };
    const outgoing = request({ ...where, path, headers, timeout: TIMEOUT }, (incoming) => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (text: string) => {
        body += text;
        if (body.length > MAX_BYTES) outgoing.destroy(new Error('its answer is too long'));
      });
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, body }));
      incoming.once('error', reject);
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('it does not answer')));
    outgoing.once('error', reject);
    outgoing.end();
  });
}

type Json = Readonly<Record<string, unknown>>;

function readView(answer: unknown, traceId: string): AgentView {
  const { state, hops } = object(answer);
  const { exporter, spans } = object(state);
  const { kind, target, state: exporting, reason } = object(exporter);
  const counts = object(spans);
  return {
    hop: Object.values(object(hops))
      .flatMap((list) => (Array.isArray(list) ? list : []))
      .filter((hop): hop is Json => typeof hop === 'object' && hop !== null)
      .filter((hop) => hop.traceId === traceId)
      .map(readHop)[0],
    exporter: {
      kind: String(kind),
      target: text(target),
      works: exporting === 'working',
      reason: text(reason),
    },
    spans: {
      exported: number(counts.exported),
      refused: number(counts.refused),
      dropped: number(counts.dropped),
      waiting: number(counts.waiting),
    },
  };
}

function readHop(hop: Json): SeenHop {
  const phases: unknown = hop.phases;
  const agent = Array.isArray(phases)
    ? phases.map(object).find(({ name }) => name === 'agent')?.ms
    : undefined;
  return {
    spanId: String(hop.spanId),
    frontend: String(hop.frontend),
    server: text(hop.server),
    agentWait: typeof agent === 'number' ? Math.round(agent * 1000) : undefined,
    mintedByHaproxy: hop.mintedByHaproxy === true,
  };
}

function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null) {
    throw new Error('it answers what is not understood: is it of another version?');
  }
  return value as Json;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
