import { availableParallelism, loadavg } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { AgentProcess, until } from '../agent-process.ts';
import { UpgradingAgent } from '../upgrade/upgrading-agent.ts';
import { PATH, ROUNDS, startCounting, Tally } from './counting.ts';
import { Load } from './load.ts';

/**
 * Requests, records and hops add up over upgrades under load. `UPGRADES=20 RATE=1000` for the long form; a rate that the
 * machine cannot keep makes spans wait, and HAProxy ask in vain, whatever happens to the agent.
 */
const UPGRADES = Number(process.env.UPGRADES ?? (ROUNDS > 1 ? ROUNDS : 2));
const RATE = Number(process.env.RATE ?? 400);
const CONNECTIONS = 8;
/** Requests whose spans have not come: then the load waits. */
const MOST_BEHIND = 2 * RATE;

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends.length = 0;
});

test('upgrades under load fail no request, and lose and double no hop', async () => {
  const tally = new Tally();
  // An export that takes too long is sent again: on a busy machine that would double hops.
  const agentEnv = {
    HAPROXY_OTEL_STOP_TIMEOUT: '60000',
    OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
    OTEL_BSP_EXPORT_TIMEOUT: '60000',
  };
  const chain = await startCounting(tally, { agentEnv });
  ends.push(() => chain.stop());
  const agent = new UpgradingAgent(chain.agent);
  ends.push(() => agent.end('SIGKILL'));
  const load: Load = new Load({
    port: chain.ports.http,
    path: PATH,
    connections: CONNECTIONS,
    rate: RATE,
    isHeld: () => load.answered - tally.hops > MOST_BEHIND,
  });
  await load.more(RATE);
  // What a running agent costs on this machine, while another process starts.
  const [awayBefore, from] = [tally.away, load.answered];
  for (let i = 0; i < Math.min(UPGRADES, 5); i += 1) {
    const other = await AgentProcess.start({
      HAPROXY_OTEL_SPOP: '127.0.0.1:0',
      HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    });
    await load.more(RATE / 2);
    await other.end();
  }
  const control = (tally.away - awayBefore) / (load.answered - from);
  const [away, since] = [tally.away, load.answered];
  const pids = [agent.pid];
  for (let i = 0; i < UPGRADES; i += 1) {
    await agent.upgrade();
    await load.more(RATE / 2);
    pids.push(agent.pid);
  }
  await load.stop();
  await until('every hop', () => tally.hops >= load.answered);
  await agent.end();
  const stopped = await until('all processes to stop', () => {
    const lines = agent.logged('stopped') as { records: Record<string, number> }[];
    return lines.length === pids.length && lines;
  });
  const asked = load.answered - since;
  const inVain = tally.away - away;
  console.log(
    `upgraded ${UPGRADES} times: ${load.answered} requests at ${Math.round(load.rate)}/s, ${tally.hops} hops, ` +
      `${tally.duplicated} doubled, ${load.failures.length} failed; ${inVain} of ${asked} asked in vain, ` +
      `${(control * 100).toFixed(2)} % without an upgrade; longest waits ${tally.waits
        .sort((a, b) => b - a)
        .slice(0, 5)
        .join(' ')} us`,
  );
  expect(load.failures).toEqual([]);
  expect(tally.duplicated).toBe(0);
  expect(tally.hops).toBe(load.answered);
  // Each record was read by one process, and whole; the requests that probed for the agent are records, too.
  const read = (name: string): number =>
    stopped.reduce((sum, { records }) => sum + (records[name] ?? 0), 0);
  expect(read('unusable')).toBe(0);
  expect(read('sampled')).toBeGreaterThanOrEqual(load.answered);
  // The start of a process takes its part of the processor, and all of it where many others want it.
  const isStarved = (loadavg()[0] ?? 0) > 4 * availableParallelism();
  expect(inVain / asked).toBeLessThanOrEqual(isStarved ? 0.5 : 2 * control + 0.05);
  expect(new Set(pids).size).toBe(UPGRADES + 1);
  for (const pid of pids) await agent.ended(pid);
  expect(await chain.agent.exited()).toBe(0);
}, 600_000);
