import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { until } from '../agent-process.ts';
import { VERSION } from '../haproxy/chain.ts';
import type { ChaosAgent, Start } from './agent.ts';
import { HAS_FAKETIME } from './agent.ts';
import { ADDRESSES, type Installation } from './installation.ts';
import { pick } from './random.ts';
import { FINAL, type Mood, RETRYABLE } from './receiver.ts';
import type { Named, Occurrence } from './schedule.ts';

export type Fault = Named & {
  /** Why it cannot be had here. */
  readonly without?: string | false;
  /** Begins it, waits with `lasting`, and ends it: everything is as before then. */
  readonly run: (
    installation: Installation,
    occurrence: Occurrence,
    lasting: () => Promise<void>,
  ) => Promise<void>;
};

/** Whether the agent hands over to a successor at SIGUSR2. */
const CAN_UPGRADE = existsSync(join(PACKAGE_ROOT, 'dist/upgrade'));

/** HAProxy 2.6 closes its ring's connection in order; later versions lose what they write until they notice a reset. */
const CLOSES_IN_ORDER = VERSION.includes('version 2.6');

/** Records that HAProxy writes in these milliseconds may be in a connection that is gone. */
const NOTICED_WITHIN = 20;
/** What an agent reads only then, in milliseconds: its beat, twice, on a machine that is busy. */
const UNREAD = 200;
/** What HAProxy does with a record before it has sent it, in milliseconds. */
const IN_RING = 100;
/** How long requests go on in a worker that was replaced, in milliseconds. */
const IN_OLD_WORKER = 2_000;

/** Hops of so many milliseconds at this rate, and one. */
function hopsIn(milliseconds: number, installation: Installation): number {
  return Math.ceil((installation.rate * milliseconds) / 1000) + 1;
}

/** Hops that HAProxy writes into a connection of its ring that was reset. */
function mayLoseByReset(installation: Installation): void {
  if (CLOSES_IN_ORDER) return;
  const { account } = installation;
  account.mayLose({
    reason: 'written into a ring connection that was reset',
    paths: account.recent(IN_RING),
    until: performance.now() + IN_RING,
    most: hopsIn(NOTICED_WITHIN, installation),
  });
}

async function stopAgent(installation: Installation, agent: ChaosAgent): Promise<void> {
  const isFirst = agent === installation.agent;
  if (isFirst) mayLoseByReset(installation);
  const waiting = await agent.stop();
  if (waiting > 0) {
    const { account } = installation;
    const paths = account.unexported();
    account.mayLose({ reason: 'not exported in time when stopped', paths, most: waiting });
  }
}

async function killAgent(installation: Installation, agent: ChaosAgent): Promise<void> {
  const queued = await agent.kill();
  if (agent !== installation.agent) return;
  const { account } = installation;
  account.mayLose({
    reason: 'had by an agent that was killed',
    paths: account.unexported(),
    most: queued + hopsIn(UNREAD, installation),
  });
  mayLoseByReset(installation);
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
function ofAgent(
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
        await until('the reload', () => reloaded() > before);
        await lasting();
      },
    },
    {
      name: `${subject} upgraded`,
      subject,
      without: !CAN_UPGRADE && 'this agent has no upgrade in place',
      run: async (installation, _, lasting) => {
        await of(installation).upgrade();
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

const OF_HAPROXY: readonly Fault[] = [
  {
    name: 'HAProxy reloaded',
    subject: 'haproxy',
    run: async (installation, _, lasting) => {
      const { account, agent, haproxy } = installation;
      if (haproxy === undefined) throw new Error('no HAProxy');
      const from = performance.now();
      const started = haproxy.startedWorkers;
      const paths = account.recent(IN_RING);
      const done = account.connectionsClose();
      haproxy.reload();
      await until('the new worker', () => haproxy.startedWorkers > started);
      done();
      const ends = performance.now() + IN_RING;
      const waiting = account.unexported();
      account.mayLose({
        reason: 'ended in a worker that was replaced, while its agent was away',
        paths: waiting,
        from,
        until: ends,
        most: waiting.size,
        applies: () => agent.wasAway(from - IN_RING, ends + IN_OLD_WORKER),
      });
      account.mayLose({
        reason: 'in the ring of a worker that was replaced',
        paths,
        from,
        until: ends,
        most: hopsIn(NOTICED_WITHIN, installation),
      });
      await lasting();
    },
  },
  {
    name: 'HAProxy restarted',
    subject: 'haproxy',
    run: async (installation, _, lasting) => {
      const { account, agent } = installation;
      const from = performance.now();
      const waiting = account.unexported();
      account.mayLose({
        reason: 'in the ring of a HAProxy that ended, while its agent was away',
        paths: waiting,
        most: waiting.size,
        applies: () => agent.wasAway(from - IN_RING, from + IN_RING),
      });
      const paths = account.recent(IN_RING);
      account.mayLose({
        reason: 'in the ring of a HAProxy that ended',
        paths,
        until: from + IN_RING,
        most: paths.size,
      });
      const done = account.nobodyListens();
      await installation.haproxy?.stop();
      await lasting();
      await installation.startHaproxy();
      done();
    },
  },
];

/** The receiver is in a mood for a while. */
function mood(name: string, of: (form: number) => Mood): Fault {
  return {
    name: `receiver ${name}`,
    subject: 'receiver',
    run: async ({ receiver }, { form }, lasting) => {
      receiver.mood = of(form);
      await lasting();
      receiver.mood = { kind: 'working' };
    },
  };
}

const field = (tag: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);

/** google.rpc.Status with a RetryInfo of half a second among its details. */
const RETRY_INFO = field(
  0x1a,
  Buffer.concat([
    field(0x0a, Buffer.from('type.googleapis.com/google.rpc.RetryInfo')),
    field(0x12, field(0x0a, Buffer.from([0x10, 0x80, 0x8a, 0xb5, 0xee, 0x01]))),
  ]),
);

const OF_RECEIVER: readonly Fault[] = [
  {
    name: 'receiver away',
    subject: 'receiver',
    run: async ({ receiver }, _, lasting) => {
      await receiver.leave();
      await lasting();
      await receiver.listen();
    },
  },
  mood('slow', (form) => ({ kind: 'slow', delay: 200 + form * 3_000 })),
  mood('silent', () => ({ kind: 'silent' })),
  ...RETRYABLE.map((code) =>
    mood(`refusing for now with ${status[code]}`, () => ({ kind: 'refusing', code })),
  ),
  ...FINAL.map((code) =>
    mood(`refusing for good with ${status[code]}`, () => ({ kind: 'refusing', code })),
  ),
  mood('overloaded', () => ({
    kind: 'refusing',
    code: status.RESOURCE_EXHAUSTED,
    retryInfo: RETRY_INFO,
  })),
  mood('that finds batches too large', () => ({
    kind: 'refusing',
    code: status.RESOURCE_EXHAUSTED,
  })),
  mood('partly accepting', () => ({ kind: 'partial' })),
  mood('behind a page', (form) => ({ kind: 'page', status: pick([502, 503, 504, 200], form) })),
  {
    name: 'receiver cutting connections',
    subject: 'receiver',
    run: async ({ receiver }, _, lasting) => {
      const timer = setInterval(() => receiver.cut(), 300);
      await lasting();
      clearInterval(timer);
    },
  },
  {
    name: 'receiver closing connections in order',
    subject: 'receiver',
    run: async ({ receiver }, _, lasting) => {
      const timer = setInterval(() => receiver.goAway(), 300);
      await lasting();
      clearInterval(timer);
    },
  },
  {
    name: 'receiver moved to another address of its name',
    subject: 'receiver',
    run: async (installation, _, lasting) => {
      const { receiver, hosts } = installation;
      await receiver.leave();
      if (hosts !== undefined)
        receiver.address = ADDRESSES.find((to) => to !== receiver.address) ?? '';
      installation.resolveTo(receiver.address);
      await receiver.listen();
      await lasting();
    },
  },
];

/** All that can happen. What cannot be had here has its place in the schedule all the same. */
export const FAULTS: readonly Fault[] = [
  ...ofAgent('agent', ({ agent }) => agent),
  ...ofAgent('second agent', ({ second }) => second),
  ...OF_HAPROXY,
  ...OF_RECEIVER,
];
