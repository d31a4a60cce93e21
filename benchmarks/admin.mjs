// Does watching change what is watched? HAProxy's requests at a fixed rate, all sampled, with the admin listener
// off, on, scraped once a second, and with its page open ten times: how long a NOTIFY waits for its ACK, what a request
// takes, and the event loop delay of the mint thread. Scrapers and pages use the same cores: so that their own cost
// is not counted as the agent's, each also watches another agent, which has nothing else to do. Scenarios are
// interleaved; each ratio is to the scenario named, of the same round. Needs h2load (Debian: nghttp2-client) and `npm
// run build`.
//
//     node benchmarks/admin.mjs [requests/s] [seconds] [rounds]
//     node benchmarks/admin.mjs memory [requests/s] [minutes]
import { freePort } from '../dist/demo/ports.js';
import { fixedRate } from './load.mjs';
import { ask, cpuSeconds, residentMemory, startAgent, startScript, stop } from './processes.mjs';
import { spread } from './spread.mjs';
import { startWatchedChain } from './watched-chain.mjs';

const WARM_UP = 3;

/** `watched` is who has scrapes and pages; `than` the scenario that it is compared with. */
const SCENARIOS = {
  off: { admin: 'off', scrapes: 0, pages: 0 },
  on: { admin: '127.0.0.1:0', scrapes: 0, pages: 0, than: 'off' },
  'another one scraped': { admin: '127.0.0.1:0', scrapes: 1, pages: 0, watched: 'another' },
  'scraped every second': {
    admin: '127.0.0.1:0',
    scrapes: 1,
    pages: 0,
    than: 'another one scraped',
  },
  'ten pages of another one': { admin: '127.0.0.1:0', scrapes: 0, pages: 10, watched: 'another' },
  'ten pages open': {
    admin: '127.0.0.1:0',
    scrapes: 0,
    pages: 10,
    than: 'ten pages of another one',
  },
};

const FIGURES = [
  'NOTIFY to ACK p50, ms',
  'NOTIFY to ACK p99, ms',
  'NOTIFY to ACK p99.9, ms',
  'request p50, ms',
  'request p99, ms',
  'event loop delay p50, ms',
  'event loop delay p99, ms',
  'agent CPU, s',
];

if (process.argv[2] === 'memory') {
  const [rate = 5000, minutes = 10] = process.argv.slice(3).map(Number);
  await measureMemory(rate, minutes);
} else {
  const [rate = 5000, seconds = 10, rounds = 5] = process.argv.slice(2).map(Number);
  await compare(rate, seconds, rounds);
}

async function compare(rate, seconds, rounds) {
  const names = Object.keys(SCENARIOS);
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    // The order alternates.
    const order = names.map((_, i) => names[(i + round) % names.length]);
    for (const name of order) results[name].push(await measure(SCENARIOS[name], rate, seconds));
  }
  console.log(`${rate} requests/s for ${seconds} s, ${rounds} rounds; minimum / median / maximum`);
  for (const [name, list] of Object.entries(results)) {
    const { than } = SCENARIOS[name];
    const failed = list.reduce((sum, result) => sum + result.failed, 0);
    console.log(`${name}: ${list.length} runs, ${failed} requests failed`);
    for (const figure of FIGURES) {
      const values = list.map((result) => result[figure]);
      const ratios = values.map((value, i) => value / results[than]?.[i][figure]);
      const told = than === undefined ? '' : `   to "${than}": ${spread(ratios, 2)}`;
      console.log(`  ${figure}: ${spread(values, 3)}${told}`);
    }
  }
}

async function measure({ admin, scrapes, pages, watched }, rate, seconds) {
  const chain = await startWatchedChain({ HAPROXY_OTEL_ADMIN: admin });
  const another = watched === 'another' ? await startIdleAgent() : undefined;
  const probe = await startScript('mint-probe.mjs', [String(chain.ports.spop)]);
  await fixedRate(chain.ports.http, rate, WARM_UP);
  const viewers = await startViewers(another ?? chain.agent, scrapes, pages);
  chain.agent.child.send('start');
  probe.child.send('start');
  const before = cpuSeconds(chain.agent.child.pid);
  const { p50, p99, failed } = await fixedRate(chain.ports.http, rate, seconds);
  const cpu = cpuSeconds(chain.agent.child.pid) - before;
  const wait = await ask(probe, 'report');
  const delay = await ask(chain.agent, 'report');
  await stop(probe.child);
  if (viewers !== undefined) await stop(viewers);
  if (another !== undefined) await stop(another.child);
  await chain.stop();
  const values = [wait.p50, wait.p99, wait.p999, p50, p99, delay.p50, delay.p99, cpu];
  return { failed, ...Object.fromEntries(FIGURES.map((figure, i) => [figure, values[i]])) };
}

async function startIdleAgent() {
  return startAgent({
    HAPROXY_OTEL_SPOP: `127.0.0.1:${await freePort()}`,
    HAPROXY_OTEL_RECORDS: `127.0.0.1:${await freePort()}`,
    OTEL_TRACES_EXPORTER: 'none',
  });
}

/** Resident memory each half minute, with a scrape a second and ten pages. */
async function measureMemory(rate, minutes) {
  const chain = await startWatchedChain({ HAPROXY_OTEL_ADMIN: '127.0.0.1:0' });
  const viewers = await startViewers(chain.agent, 1, 10);
  for (let half = 1; half <= minutes * 2; half += 1) {
    await fixedRate(chain.ports.http, rate, 30);
    const megabytes = residentMemory(chain.agent.child.pid).toFixed(0);
    console.log(`${(half / 2).toFixed(1)} min: ${megabytes} MiB`);
  }
  await stop(viewers);
  await chain.stop();
}

/** Scrapers and pages in a process of their own, so that their cost is not the load generator's. */
async function startViewers({ lines }, scrapes, pages) {
  if (scrapes + pages === 0) return undefined;
  const { admin } = lines.find(({ msg }) => msg === 'ready');
  const { child } = await startScript('admin-viewers.mjs', [admin, String(scrapes), String(pages)]);
  return child;
}
