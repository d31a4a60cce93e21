import { readFileSync } from 'node:fs';
import { OtlpSpanKind, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';
import { freePort, type Ports } from '../../src/demo/ports.ts';
import { socketPath } from '../../src/listen-address.ts';
import { type AgentProcess, until } from '../agent-process.ts';
import { Chain, type ChainOptions, PROBE } from './chain.ts';
import { type Account, remainder, sentence } from './conservation.ts';
import type { FormerRings } from './former-rings.ts';
import type { Load } from './load.ts';
import { runCommand } from './runtime-api.ts';

/** How many times longer than in the tests: set by `npm run soak`. */
export const ROUNDS = Number(process.env.SOAK_ROUNDS ?? 1);

/** The path of the requests that are counted. */
export const PATH = '/counted';

/** The path of a last request, behind which nothing waits in a ring. */
const LAST = '/last/ok';

/** Counts SERVER spans by path and by span id, and stores nothing else: a soak has millions. */
export class Tally {
  /** The stats socket of the HAProxy that is counted. */
  stats = '';
  readonly seen = new Set<string>();
  readonly ofPath = new Map<string, number>();
  hops = 0;
  /** Whether the hop of a last request has come. */
  hasLast = false;
  /** Requests of which no hop is to be expected any more. */
  missing = 0;
  duplicated = 0;
  away = 0;
  /** When the latest of these requests began, in nanoseconds since 1970. */
  latest = 0n;
  /** Microseconds that requests waited for the agent, since this was emptied. */
  waits: number[] = [];
  /** When each request was received that has a hop, with its wait, where this is set. */
  timed: [start: bigint, wait: number][] | undefined;

  readonly take = (spans: readonly ReceivedSpan[]): void => {
    for (const { kind, attributes, spanId, resource, start } of spans) {
      if (kind !== OtlpSpanKind.SERVER || resource['service.name'] === 'demo-app') continue;
      const path = String(attributes['url.path']);
      if (path === LAST) this.hasLast = true;
      if (path === PROBE || path === LAST) continue;
      if (this.seen.has(spanId)) {
        this.duplicated += 1;
        continue;
      }
      this.seen.add(spanId);
      this.ofPath.set(path, (this.ofPath.get(path) ?? 0) + 1);
      this.hops += 1;
      if (start > this.latest) this.latest = start;
      if (attributes['haproxy.agent_away'] === true) this.away += 1;
      const wait = Number(attributes['haproxy.phase.agent_us']);
      this.waits.push(wait);
      this.timed?.push([start, wait]);
    }
  };
}

/** A server that costs next to nothing: HAProxy itself. */
function originIn(config: string, ports: Ports, origin: number): string {
  return `${config.replace(`backend app\n    server app1 127.0.0.1:${ports.server}`, `backend app\n    server app1 127.0.0.1:${origin}`)}
frontend origin
    bind 127.0.0.1:${origin}
    http-request return status 200 content-type text/plain string ok
`;
}

/** On a busy machine the receiver, which is the test itself, takes its time, and there is much to export in the end. */
export const UNHURRIED = {
  OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
  HAPROXY_OTEL_STOP_TIMEOUT: '60000',
};

/** Nor is a request answered in place of HAProxy's server because that had no processor in time. */
function unhurried(config: string): string {
  return config.replace(/^( +timeout (?:connect|server|queue|http-request)) \d+s$/gm, '$1 60s');
}

/** `global` with an abstract stats socket, which leaves no file behind: `tally` gets to know it. */
export function withStats(tally: Tally, config: string, ports: Ports, options = ''): string {
  const name = `otel-count-${ports.http}`;
  tally.stats = socketPath({ kind: 'abstract', name, padded: true });
  return config.replace('global\n', `global\n    stats socket abns@${name} ${options}\n`);
}

/** A chain whose receiver counts, and whose server is HAProxy. */
export async function startCounting(tally: Tally, options: ChainOptions = {}): Promise<Chain> {
  const origin = await freePort();
  return Chain.start({
    receiver: { onSpans: tally.take },
    ...options,
    agentEnv: {
      OTEL_BSP_SCHEDULE_DELAY: '200',
      ...UNHURRIED,
      ...options.agentEnv,
    },
    // The server is not traced.
    add: { frontend: 'www,tcp', ...options.add },
    site: (config, ports) => {
      const edited = withStats(tally, unhurried(originIn(config, ports, origin)), ports);
      return options.site?.(edited, ports) ?? edited;
    },
  });
}

export function residentMegabytes({ process: { pid } }: AgentProcess): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}

/** Records that the rings of this HAProxy had no room for and did not announce yet. */
export async function droppedByRings(stats: string): Promise<number> {
  const events = await runCommand(stats, 'show events');
  return [...events.matchAll(/type=buffer, (\d+) dropped/g)].reduce(
    (sum, [, dropped]) => sum + Number(dropped),
    0,
  );
}

type Stopped = {
  readonly records: { readonly droppedByHaproxy: number; readonly unusable: number };
  readonly spans: { readonly dropped: number; readonly refused: number; readonly waiting: number };
};

/** What agents logged as they stopped; one that was killed, or did not stop in time, has no account. */
function accountsOf(agents: readonly AgentProcess[]): Stopped[] {
  return agents.flatMap(({ logs }) =>
    logs
      .filter(({ msg, spans }) => String(msg).startsWith('stopped') && spans !== undefined)
      .map((line) => line as Stopped),
  );
}

export type Settling = {
  readonly what: string;
  readonly chain: Chain;
  readonly load: Pick<Load, 'answered' | 'failures' | 'rate'>;
  readonly tally: Tally;
  readonly memory?: { readonly before: number; readonly after: number };
  /** Where HAProxy was reloaded. */
  readonly formerRings?: FormerRings;
};

/**
 * Waits until everything has come, or what the ring had has come and nothing comes any more, stops the agent, and reports
 * what became of each request, in one line too.
 */
export async function settle({
  what,
  chain,
  load,
  tally,
  memory,
  formerRings,
}: Settling): Promise<Account> {
  await chain.get(LAST);
  let before = -1;
  let still = 0;
  await until(
    'the last spans',
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 250));
      still = tally.hops === before ? still + 1 : 0;
      before = tally.hops;
      return tally.hasLast && (tally.hops >= load.answered || still > 20);
    },
    120_000,
  );
  const pending = await droppedByRings(tally.stats);
  await chain.agent.end();
  const agents = [...chain.formerAgents, chain.agent];
  const stopped = accountsOf(agents);
  const sum = (of: (one: Stopped) => number): number =>
    stopped.reduce((total, one) => total + of(one), 0);
  // Each of these hops has two spans, which share their fate.
  const spans = sum((one) => one.spans.dropped + one.spans.refused + one.spans.waiting);
  const unusable = sum(({ records }) => records.unusable);
  const former = await formerRings?.count(tally.seen);
  const account: Account = {
    requests: load.answered,
    exported: tally.hops,
    doubled: tally.duplicated,
    ...(former && { leftInRings: former.left, workersLost: former.workersLost }),
    droppedByHaproxy: pending + sum(({ records }) => records.droppedByHaproxy),
    droppedByAgent: Math.ceil(spans / 2) + Math.max(0, unusable - (former?.messages ?? 0)),
  };
  // What each term is about.
  for (const { logs } of account.droppedByAgent > 0 || remainder(account) !== 0 ? agents : []) {
    const lines = logs.filter(({ level, msg }) => level !== 'info' || msg === 'stopped');
    for (const line of lines) console.log(JSON.stringify(line));
  }
  const agent = memory && `, agent ${memory.before} MB at start, ${memory.after} MB at end`;
  console.log(
    `${what}, ${Math.round(load.rate)}/s: ${sentence(account)}; ${load.failures.length} failed, ` +
      `${tally.away} minted by HAProxy${agent ?? ''}`,
  );
  return account;
}
