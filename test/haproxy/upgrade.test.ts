import { afterEach, expect, test } from 'vitest';
import { PATH, residentMegabytes, settle, startCounting, Tally } from './counting.ts';
import { Load } from './load.ts';
import { UpgradingAgent } from './upgrading.ts';

/** How many times the agent is upgraded under load; `UPGRADES=20` for the long form. */
const UPGRADES = Number(process.env.UPGRADES ?? 3);
const RATE = 1_000;
const CONNECTIONS = 16;

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends.length = 0;
});

test('an agent that is upgraded under load fails no request, loses and doubles no hop', async () => {
  const tally = new Tally();
  const chain = await startCounting(tally);
  ends.push(() => chain.stop());
  const agent = new UpgradingAgent(chain.agent);
  ends.push(() => agent.end());
  const before = residentMegabytes(chain.agent);
  const load = new Load({ port: chain.ports.http, path: PATH, connections: CONNECTIONS, rate: RATE });
  await load.more(RATE);
  const descriptors = [agent.descriptors];
  for (let i = 0; i < UPGRADES; i += 1) {
    await agent.upgrade();
    await load.more(RATE / 2);
    descriptors.push(agent.descriptors);
  }
  await load.stop();
  const memory = { before, after: residentMegabytes({ process: { pid: agent.pid } } as never) };
  const { lost } = await settle(`upgraded ${UPGRADES} times`, load, tally, memory);
  console.log(descriptors.join(' '), tally.waits.sort((a, b) => b - a).slice(0, 10).join(' '));
  for (const { msg, records, spans, requests, reason, level } of chain.agent.logs) console.log(level, msg, JSON.stringify({records, spans, requests, reason}));
  expect(load.failures).toEqual([]);
  expect(tally.duplicated).toBe(0);
  expect(lost).toBe(0);
  expect(tally.away).toBe(0);
}, 600_000);
