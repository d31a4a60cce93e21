import { until } from '../agent-process.ts';
import { Account, type Verdict } from './account.ts';
import { type ChaosAgent, since } from './agent.ts';
import { FAULTS } from './faults.ts';
import type { Installation } from './installation.ts';
import { Random } from './random.ts';
import type { Episode, Occurrence } from './schedule.ts';

/** The timeout for exporting what waits once all faults are over: the longest backoff, twice. Milliseconds. */
const SETTLED_WITHIN = 60_000;
/** Nothing came for so long: HAProxy connects its ring once a second. */
const QUIET = 3_000;
/** Requests go on this long after the last fault is over. */
const AFTERWARDS = 500;

/** MiB beyond what an agent has that idles. */
const MOST_MEMORY = 300;
/** Descriptors may be more by these: an exporter's connection, and two of a ring that is renewed. */
const MOST_DESCRIPTORS = 4;

export type Outcome = Verdict & { readonly memory: number; readonly descriptors: number };

/** Runs one episode: faults among requests, then peace; what is not as it has to be is among its violations. */
export async function runEpisode(installation: Installation, episode: Episode): Promise<Outcome> {
  const { agent, second, clients } = installation;
  const agents = [agent, second];
  const before = await Promise.all(agents.map((each) => each.terms()));
  const account = new Account();
  installation.begin(episode.rate, account);
  clients.start(episode.rate, account, new Random(episode.clients));
  const violations: string[] = [];
  await Promise.all(
    episode.faults.map(async (occurrence) => {
      try {
        await run(installation, occurrence);
      } catch (error) {
        violations.push(`${occurrence.name}: ${error instanceof Error ? error.message : error}`);
      }
    }),
  );
  await pause(AFTERWARDS);
  await clients.stop();
  if (agents.some(({ state }) => state !== 'running')) {
    violations.push('an agent ended by itself');
    return { violations, terms: {}, memory: 0, descriptors: 0 };
  }
  await settled(installation);
  const after = await Promise.all(agents.map((each) => each.terms()));
  const terms = after.map((each, index) => since(before[index] ?? each, each));
  const [first, others] = terms;
  if (first === undefined || others === undefined) throw new Error('two agents');
  if (others.exported > 0) violations.push('the agent that gets no records exported spans');
  const verdict = account.verdict(first);
  const memory = Math.max(...agents.map((each) => each.residentMemory()));
  if (memory > MOST_MEMORY) violations.push(`an agent has ${Math.round(memory)} MiB`);
  const descriptors = Math.max(
    ...(await Promise.all(agents.map((each) => descriptorsBack(each, violations)))),
  );
  return { ...verdict, violations: [...violations, ...verdict.violations], memory, descriptors };
}

async function run(installation: Installation, occurrence: Occurrence): Promise<void> {
  const fault = FAULTS.find(({ name }) => name === occurrence.name);
  if (fault === undefined) throw new Error('no such fault');
  if (fault.without) return;
  await pause(occurrence.at);
  await fault.run(installation, occurrence, () => pause(occurrence.lasts));
}

/** Waits until every hop came, or none comes any more and nothing waits. */
async function settled({ account, agent }: Installation): Promise<void> {
  const began = performance.now();
  while (performance.now() - began < SETTLED_WITHIN) {
    // An agent that has just started has received nothing yet of what waits in HAProxy's ring.
    const isQuiet = performance.now() - Math.max(account.lastAt, began) > QUIET;
    if ((isQuiet || account.missing().length === 0) && (await agent.metrics()).queued === 0) return;
    await pause(50);
  }
}

async function descriptorsBack(agent: ChaosAgent, violations: string[]): Promise<number> {
  const most = agent.idleDescriptors + MOST_DESCRIPTORS;
  try {
    return await until('descriptors', () => {
      const { length } = agent.descriptors();
      return length <= most && length;
    });
  } catch {
    const names = agent.descriptors();
    violations.push(`${names.length} descriptors, ${most} at most when idle: ${names.join(' ')}`);
    return names.length;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
