import { readFileSync } from 'node:fs';
import { OtlpSpanKind, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';
import { freePort, type Ports } from '../../src/demo/ports.ts';
import { type AgentProcess, until } from '../agent-process.ts';
import { Chain, type ChainOptions } from './chain.ts';
import type { Load } from './load.ts';

/** How many times longer than in the tests: set by `npm run soak`. */
export const ROUNDS = Number(process.env.SOAK_ROUNDS ?? 1);

/** The path of the requests that are counted. */
export const PATH = '/counted';

/** Counts SERVER spans by path and by span id, and keeps nothing else: a soak has millions. */
export class Tally {
  readonly seen = new Set<string>();
  readonly ofPath = new Map<string, number>();
  hops = 0;
  duplicated = 0;
  away = 0;
  /** Microseconds that requests waited for the agent, since this was emptied. */
  waits: number[] = [];

  readonly take = (spans: readonly ReceivedSpan[]): void => {
    for (const { kind, attributes, spanId, resource } of spans) {
      if (kind !== OtlpSpanKind.SERVER || resource['service.name'] === 'demo-app') continue;
      const path = String(attributes['url.path']);
      if (path === '/probe') continue;
      if (this.seen.has(spanId)) {
        this.duplicated += 1;
        continue;
      }
      this.seen.add(spanId);
      this.ofPath.set(path, (this.ofPath.get(path) ?? 0) + 1);
      this.hops += 1;
      if (attributes['haproxy.agent_away'] === true) this.away += 1;
      this.waits.push(Number(attributes['haproxy.phase.agent_us']));
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

/** A chain whose receiver counts, and whose server is HAProxy. */
export async function startCounting(tally: Tally, options: ChainOptions = {}): Promise<Chain> {
  const origin = await freePort();
  return Chain.start({
    receiver: { onSpans: tally.take },
    ...options,
    agentEnv: { OTEL_BSP_SCHEDULE_DELAY: '200', ...options.agentEnv },
    // The server is not traced.
    add: { frontend: 'www,tcp', ...options.add },
    site: (config, ports) => {
      const edited = originIn(config, ports, origin);
      return options.site?.(edited, ports) ?? edited;
    },
  });
}

export function residentMegabytes({ process: { pid } }: AgentProcess): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}

/** Waits until everything has come, or nothing comes any more, and tells the figures in one line. */
export async function settle(
  what: string,
  load: Pick<Load, 'answered' | 'failures' | 'rate'>,
  tally: Tally,
  memory: { before: number; after: number },
): Promise<{ lost: number }> {
  let before = -1;
  let still = 0;
  await until('the last spans', async () => {
    await new Promise((resolve) => setTimeout(resolve, 250));
    still = tally.hops === before ? still + 1 : 0;
    before = tally.hops;
    return tally.hops >= load.answered || still > 20;
  });
  const lost = load.answered - tally.hops;
  console.log(
    `${what}: ${load.answered} requests at ${Math.round(load.rate)}/s, ${tally.hops} hops, ` +
      `${lost} lost, ${tally.duplicated} duplicated, ${load.failures.length} failed, ` +
      `${tally.away} minted by HAProxy, agent ${memory.before} MB at start, ${memory.after} MB at end`,
  );
  return { lost };
}
