import { until } from '../agent-process.ts';
import { reload, startedWorkers } from '../end-to-end/workers.ts';
import { TIMEOUT } from './agent.ts';
import { hopsIn, IN_RING, NOTICED_WITHIN } from './bounds.ts';
import type { Fault } from './fault.ts';

/** How long requests go on in a worker that was replaced, in milliseconds. */
const IN_OLD_WORKER = 2_000;

export const OF_HAPROXY: readonly Fault[] = [
  {
    name: 'HAProxy reloaded',
    subject: 'haproxy',
    run: async (installation, _, lasting) => {
      const { account, agent, haproxy } = installation;
      if (haproxy === undefined) throw new Error('no HAProxy');
      const from = performance.now();
      const started = startedWorkers(haproxy);
      const paths = account.recent(IN_RING + installation.lateness);
      const done = account.connectionsClose();
      reload(haproxy);
      await until('the new worker', () => startedWorkers(haproxy) > started, TIMEOUT);
      done();
      const ends = performance.now() + IN_RING + installation.lateness;
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
      const paths = account.recent(IN_RING + installation.lateness);
      account.mayLose({
        reason: 'in the ring of a HAProxy that ended',
        paths,
        until: from + IN_RING + installation.lateness,
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
