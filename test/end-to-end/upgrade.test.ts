import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { AgentProcess, until } from '../agent-process.ts';
import { UpgradingAgent } from '../upgrade/upgrading-agent.ts';
import { expectConserved } from './conservation.ts';
import { PATH, ROUNDS, startCounting, Tally } from './counting.ts';
import { Load } from './load.ts';
import { patientChecks, patientEngine } from './patient-engine.ts';

/**
 * Requests, records and hops add up over upgrades under load. `UPGRADES=20 RATE=1000` for the long form; a rate that the
 * machine cannot keep makes spans and requests wait, whatever happens to the agent.
 */
const UPGRADES = Number(process.env.UPGRADES ?? (ROUNDS > 1 ? ROUNDS : 2));
const RATE = Number(process.env.RATE ?? 400);
const CONNECTIONS = 8;
/** Requests whose spans have not come: then the load waits. */
const MOST_BEHIND = 2 * RATE;
/** Of the shipped engine, in microseconds: after that a request goes on without the agent. */
const PROCESSING_TIMEOUT = 50_000;

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends.length = 0;
});

test('upgrades under load fail no request, and lose and double no hop', async () => {
  const tally = new Tally();
  const timed: [start: bigint, wait: number][] = [];
  tally.timed = timed;
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-upgrade-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  // An export that takes too long is sent again: on a busy machine that would double hops.
  const agentEnv = {
    HAPROXY_OTEL_STOP_TIMEOUT: '60000',
    OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
    OTEL_BSP_EXPORT_TIMEOUT: '60000',
  };
  // Up to 3.0 the shipped engine does not ask for a second after ten late answers: waits are measured in place of that.
  const chain = await startCounting(tally, {
    agentEnv,
    add: { engine: patientEngine(folder) },
    editConfig: patientChecks,
  });
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
  const now = (): bigint => BigInt(Date.now()) * 1_000_000n;
  const began = now();
  for (let i = 0; i < Math.min(UPGRADES, 5); i += 1) {
    const other = await AgentProcess.start({
      HAPROXY_OTEL_SPOP: '127.0.0.1:0',
      HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    });
    await load.more(RATE / 2);
    await other.end();
  }
  const [away, since] = [tally.away, now()];
  const pids = [agent.pid];
  for (let i = 0; i < UPGRADES; i += 1) {
    await agent.upgrade();
    await load.more(RATE / 2);
    pids.push(agent.pid);
  }
  await load.stop();
  // What is missing is a term of the account.
  await until('every hop', () => tally.hops >= load.answered).catch(() => {});
  await agent.end();
  const stopped = await until('all processes to stop', () => {
    const lines = agent.logged('stopped') as Record<'records' | 'spans', Record<string, number>>[];
    return lines.length === pids.length && lines;
  });
  const inVain = tally.away - away;
  const lateOf = (from: bigint, to: bigint): number => {
    const waits = timed.filter(([start]) => start >= from && start < to);
    return waits.filter(([, wait]) => wait > PROCESSING_TIMEOUT).length / waits.length;
  };
  const [control, late] = [lateOf(began, since), lateOf(since, now())];
  console.log(
    `upgraded ${UPGRADES} times: ${load.answered} requests at ${Math.round(load.rate)}/s, ${tally.hops} hops, ` +
      `${tally.duplicated} doubled, ${load.failures.length} failed; ${inVain} asked in vain, ` +
      `${(late * 100).toFixed(2)} % late, ${(control * 100).toFixed(2)} % without an upgrade; longest waits ${tally.waits
        .sort((a, b) => b - a)
        .slice(0, 5)
        .join(' ')} us`,
  );
  expect(load.failures).toEqual([]);
  const read = (name: string): number =>
    stopped.reduce((sum, { records }) => sum + (records[name] ?? 0), 0);
  const lost = stopped.map(({ spans: { dropped = 0, refused = 0, waiting = 0 } }) => {
    return dropped + refused + waiting;
  });
  expectConserved({
    requests: load.answered,
    exported: tally.hops,
    doubled: tally.duplicated,
    droppedByHaproxy: read('droppedByHaproxy'),
    droppedByAgent: lost.reduce((sum, spans) => sum + spans, 0) / 2,
  });
  // Each record was read by one process, and whole; the requests that probed for the agent are records, too.
  expect(read('unusable')).toBe(0);
  expect(read('sampled')).toBeGreaterThanOrEqual(load.answered);
  // The start of a process takes its part of the processor, and all of it where many others want it.
  const isStarved = (loadavg()[0] ?? 0) > 4 * availableParallelism();
  expect(inVain).toBe(0);
  expect(late).toBeLessThanOrEqual(isStarved ? 0.5 : 2 * control + 0.05);
  expect(new Set(pids).size).toBe(UPGRADES + 1);
  for (const pid of pids) await agent.ended(pid);
  expect(await chain.agent.exited()).toBe(0);
}, 600_000);
