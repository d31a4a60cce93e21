// Is a hop lost at the highest rate that the machine reaches, and do memory, event loops and descriptors stay as they
// are? Leaves .cache/endurance.json and .cache/endurance.svg.
//
//     node benchmarks/endurance.mjs [--minutes 60] [--haproxy PATH] [--write]      --write: the plot of the docs too
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { agentAccount, requestsSeen } from './accounts.mjs';
import { startServer, Way } from './chain.mjs';
import { fullSpeed } from './load.mjs';
import { plot } from './plot.mjs';
import { ask, residentMemory } from './processes.mjs';
import { spread } from './spread.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    haproxy: { type: 'string', default: 'haproxy' },
    write: { type: 'boolean', default: false },
  },
});
const seconds = Number(options.minutes) * 60;
if (!(seconds > 0)) throw new Error(`--minutes ${options.minutes}: a number above 0 is accepted`);

const WARM_UP = 5;
/** At most so many points: seconds between two samples are as long runs need them. */
const POINTS = 700;
const every = Math.max(2, Math.ceil(seconds / POINTS));
const CACHE = new URL('../.cache/', import.meta.url);

execFileSync('sh', [new URL('install.sh', import.meta.url).pathname], { stdio: 'inherit' });
const { server, port } = await startServer();
const way = await Way.start('all', { haproxy: options.haproxy, server: port });
const samples = [];

/** What all parts have counted at this moment. */
async function sample(started) {
  const [seen, { hops }, account] = await Promise.all([
    requestsSeen(way.statsSocket),
    ask(way.receiver, 'count'),
    agentAccount(way.adminPort),
  ]);
  return {
    time: (performance.now() - started) / 1000,
    seen,
    hops,
    dropped: account.droppedByHaproxy + account.droppedByAgent,
    mintDelay: account.mintDelay,
    telemetryDelay: account.telemetryDelay,
    spopConnections: account.spopConnections,
    memory: residentMemory(way.agent.pid),
    descriptors: readdirSync(`/proc/${way.agent.pid}/fd`).length,
  };
}

try {
  await way.measure((at) => fullSpeed(at, WARM_UP));
  const started = performance.now();
  const first = await sample(started);
  let sampling = Promise.resolve();
  const timer = setInterval(() => {
    sampling = sampling.then(async () => samples.push(await sample(started)));
    // Thrown where it is waited for.
    sampling.catch(() => {});
  }, every * 1000);
  let result;
  try {
    result = await way.measure(async (at) => {
      const load = await fullSpeed(at, seconds);
      clearInterval(timer);
      await sampling;
      return load;
    });
  } finally {
    clearInterval(timer);
  }
  report(result, first);
  if (result.unaccounted !== 0 || result.failed > 0) process.exitCode = 1;
} finally {
  await way.stop();
  await server.stop();
}

function report(
  { requests, failed, rate, seen, unaccounted, droppedByHaproxy, droppedByAgent },
  first,
) {
  const version = execFileSync(options.haproxy, ['-v'], { encoding: 'utf8' }).split(' ')[2];
  const subtitle =
    `${options.minutes} minutes, ${new Date().toISOString().slice(0, 10)}, HAProxy ${version}, Node ${process.version}: ` +
    `${seen.toLocaleString('en')} requests at ${Math.round(rate).toLocaleString('en')}/s, ${unaccounted} unaccounted for`;
  console.log(
    `${subtitle}; ${requests} answered, ${failed} not with 200; HAProxy dropped ${droppedByHaproxy} records by its own account, the agent ${droppedByAgent} spans`,
  );
  for (const [name, of] of [
    ['resident memory, MiB', ({ memory }) => memory],
    ['event-loop delay of the mint thread, 99th percentile, ms', ({ mintDelay }) => mintDelay],
    ['that of the telemetry thread', ({ telemetryDelay }) => telemetryDelay],
    ['descriptors', ({ descriptors }) => descriptors],
  ]) {
    const half = Math.ceil(samples.length / 2);
    const parts = [samples.slice(0, half), samples.slice(half)].filter(({ length }) => length > 0);
    console.log(`${name}: ${parts.map((part) => spread(part.map(of), 1)).join(' then ')}`);
  }
  const rates = samples.map(({ time, hops }, index) => {
    const before = samples[index - 1] ?? first;
    return (hops - before.hops) / (time - before.time);
  });
  const series = (name, of) => ({ name, values: samples.map(of) });
  const svg = plot({
    title: 'One agent at the highest rate',
    subtitle,
    times: samples.map(({ time }) => time),
    panels: [
      { title: 'hops exported a second', series: [{ name: 'hops', values: rates }] },
      {
        title: 'hops',
        series: [
          series('not exported yet, or dropped', ({ seen: all, hops }) =>
            Math.max(0, all - first.seen - (hops - first.hops)),
          ),
          series('dropped by HAProxy or the agent', ({ dropped }) => dropped - first.dropped),
        ],
      },
      { title: 'resident memory, MiB', series: [series('memory', ({ memory }) => memory)] },
      {
        title: 'event-loop delay, 99th percentile, ms',
        series: [
          series('mint thread', ({ mintDelay }) => mintDelay),
          series('telemetry thread', ({ telemetryDelay }) => telemetryDelay),
        ],
      },
      {
        title: 'descriptors',
        series: [
          series('open', ({ descriptors }) => descriptors),
          series(
            'connections of SPOP, of which HAProxy makes as many as it likes',
            (at) => at.spopConnections,
          ),
        ],
      },
    ],
  });
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(
    new URL('endurance.json', CACHE),
    JSON.stringify({ subtitle, first, samples }, null, 1),
  );
  writeFileSync(new URL('endurance.svg', CACHE), svg);
  if (options.write) {
    copyFileSync(
      new URL('endurance.svg', CACHE),
      new URL('../docs/endurance.svg', import.meta.url),
    );
  }
}
