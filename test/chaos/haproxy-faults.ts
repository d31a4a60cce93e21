import { readFileSync } from 'node:fs';
import type { Haproxy } from '../../src/demo/haproxy.ts';
import { until } from '../agent-process.ts';
import { formerWorkers, reload, startedWorkers } from '../end-to-end/workers.ts';
import type { Sent } from './account.ts';
import { TIMEOUT } from './agent.ts';
import { hopsIn, IN_RING, mayBeInRing, NONE, NOTICED_WITHIN } from './bounds.ts';
import type { Fault } from './fault.ts';

/** Processes that a master has. */
function workersOf({ process: { pid } }: Haproxy): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
}

export const OF_HAPROXY: readonly Fault[] = [
  {
    name: 'HAProxy reloaded',
    subject: 'haproxy',
    run: async (installation, _, lasting) => {
      const { account, agent, haproxy } = installation;
      if (haproxy === undefined) throw new Error('no HAProxy');
      const from = performance.now();
      const started = startedWorkers(haproxy);
      const ended = formerWorkers(haproxy);
      const workers = workersOf(haproxy);
      const waiting = account.unexported();
      const { hasRing } = agent;
      const closed = account.connectionsClose();
      reload(haproxy);
      await until('the new worker', () => startedWorkers(haproxy) > started, TIMEOUT);
      const replaced = performance.now();
      let exited = Number.POSITIVE_INFINITY;
      const exit = until('the former worker to end', () => formerWorkers(haproxy) > ended, TIMEOUT);
      exit.then(
        () => {
          exited = performance.now();
          closed();
        },
        () => {},
      );
      const isOfFormer = ({ worker, started }: Sent): boolean =>
        worker === '' ? started <= replaced : workers.includes(worker);
      account.mayLose({
        reason: 'ended in a worker that was replaced, while its agent was away',
        paths: waiting,
        from,
        until: Number.POSITIVE_INFINITY,
        most: Number.POSITIVE_INFINITY,
        applies: (sent) => isOfFormer(sent) && (!hasRing || agent.wasAway(from - IN_RING, exited)),
      });
      account.mayLose({
        reason: 'in the ring of a worker that was replaced',
        paths: NONE,
        from: Number.NEGATIVE_INFINITY,
        until: replaced + IN_RING + installation.lateness,
        most: hopsIn(NOTICED_WITHIN, installation),
        applies: (sent) => isOfFormer(sent) && mayBeInRing(installation, sent, from),
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
      const { hasRing } = agent;
      const done = account.nobodyListens();
      await installation.haproxy?.stop();
      const ended = performance.now();
      account.mayLose({
        reason: 'in the ring of a HAProxy that ended, while its agent was away',
        paths: waiting,
        from,
        until: ended,
        most: Number.POSITIVE_INFINITY,
        applies: () => !hasRing || agent.wasAway(from - IN_RING, ended),
      });
      account.mayLose({
        reason: 'in the ring of a HAProxy that ended',
        paths: NONE,
        from: Number.NEGATIVE_INFINITY,
        until: ended,
        most: Number.POSITIVE_INFINITY,
        applies: (sent) => mayBeInRing(installation, sent, from),
      });
      await lasting();
      await installation.startHaproxy();
      done();
    },
  },
];
