import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { until } from '../agent-process.ts';
import { type ChaosAgent, HAS_FAKETIME, type Start, TIMEOUT, type Waiting } from './agent.ts';
import { hopsIn, mayLoseByReset } from './bounds.ts';
import type { Fault } from './fault.ts';
import type { Installation } from './installation.ts';
import { pick } from './random.ts';

/** Whether the agent hands over to a successor at SIGUSR2. */
const CAN_UPGRADE = existsSync(join(PACKAGE_ROOT, 'dist/upgrade'));

/** What an agent reads only then, in milliseconds: its beat, twice, on a machine that is busy. */
const UNREAD = 200;

async function stopAgent(installation: Installation, agent: ChaosAgent): Promise<void> {
  const from = performance.now();
  mayLoseWaiting(installation, await agent.stop());
  if (agent === installation.agent) mayLoseByReset(installation, from);
}

function mayLoseWaiting(installation: Installation, { spans, age }: Waiting): void {
  if (spans === 0) return;
  const { account } = installation;
  const most = spans + (age === 0 ? 0 : hopsIn(age, installation));
  const paths = account.unexported();
  account.mayLose({ reason: 'not exported in time by an agent that ended', paths, most });
}

async function killAgent(installation: Installation, agent: ChaosAgent): Promise<void> {
  const from = performance.now();
  const queued = await agent.kill();
  if (agent !== installation.agent) return;
  const { account } = installation;
  account.mayLose({
    reason: 'had by an agent that was killed',
    paths: account.unexported(),
    most: queued + hopsIn(UNREAD + performance.now() - from, installation),
  });
  mayLoseByReset(installation, from);
}

/** The agent runs with `start` for a while, and as ever afterwards. */
async function runAs(
  installation: Installation,
  agent: ChaosAgent,
  start: Start,
  lasting: () => Promise<void>,
): Promise<void> {
  await stopAgent(installation, agent);
  await agent.start(start);
  await lasting();
  await stopAgent(installation, agent);
  await agent.start();
}

/** Faults that any agent may have. */
export function ofAgent(
  subject: 'agent' | 'second agent',
  of: (installation: Installation) => ChaosAgent,
): Fault[] {
  return [
    {
      name: `${subject} killed`,
      subject,
      run: async (installation, _, lasting) => {
        await killAgent(installation, of(installation));
        await lasting();
        await of(installation).start();
      },
    },
    {
      name: `${subject} restarted`,
      subject,
      run: async (installation, _, lasting) => {
        await stopAgent(installation, of(installation));
        await lasting();
        await of(installation).start();
      },
    },
    {
      name: `${subject} stopped and continued`,
      subject,
      run: async (installation, _, lasting) => {
        of(installation).signal('SIGSTOP');
        await lasting();
        of(installation).signal('SIGCONT');
      },
    },
    {
      name: `${subject} reloaded`,
      subject,
      run: async (installation, { form }, lasting) => {
        const reloaded = (): number =>
          of(installation).logs.filter(({ msg }) => msg === 'reloaded').length;
        const before = reloaded();
        for (let times = 0; times < 1 + form * 5; times += 1) of(installation).signal('SIGHUP');
        await until('the reload', () => reloaded() > before, TIMEOUT);
        await lasting();
      },
    },
    {
      name: `${subject} upgraded`,
      subject,
      without: !CAN_UPGRADE && 'this agent has no upgrade in place',
      run: async (installation, _, lasting) => {
        mayLoseWaiting(installation, await of(installation).upgrade());
        await lasting();
      },
    },
    {
      name: `${subject} without room for its log`,
      subject,
      run: (installation, _, lasting) =>
        runAs(installation, of(installation), { fullDisk: true }, lasting),
    },
    {
      name: `${subject} whose clock is stepped`,
      subject,
      without: !HAS_FAKETIME && 'libfaketime is not installed: sh test/install.sh',
      run: async (installation, { form }, lasting) => {
        const { clock } = installation;
        installation.setClock(0);
        await runAs(installation, of(installation), { clock }, async () => {
          installation.setClock(pick([3_600, -3_600, 5, -5], form));
          await lasting();
        });
      },
    },
  ];
}
