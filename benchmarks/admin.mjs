// Does watching change what is watched? HAProxy's requests at a fixed rate, all sampled, with the admin listener
// off, on, scraped once a second, and with its page open ten times: what a request takes, and the event loop delay of
// the mint thread. Scenarios are interleaved; each ratio is to "off" of the same round. Needs h2load (Debian:
// nghttp2-client) and `npm run build`.
//
//     node benchmarks/admin.mjs [requests/s] [seconds] [rounds]
//     node benchmarks/admin.mjs memory [requests/s] [minutes]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fixedRate } from './load.mjs';
import { cpuSeconds, residentMemory, stop } from './processes.mjs';
import { spread } from './spread.mjs';
import { startWatchedChain } from './watched-chain.mjs';

const VIEWERS = new URL('admin-viewers.mjs', import.meta.url);
const WARM_UP = 3;
const SCENARIOS = {
  off: { admin: 'off', scrapes: 0, pages: 0 },
  on: { admin: '127.0.0.1:0', scrapes: 0, pages: 0 },
  'scraped every second': { admin: '127.0.0.1:0', scrapes: 1, pages: 0 },
  'ten pages open': { admin: '127.0.0.1:0', scrapes: 0, pages: 10 },
};

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
    // Who goes first takes turns.
    const order = names.map((_, i) => names[(i + round) % names.length]);
    for (const name of order) results[name].push(await measure(SCENARIOS[name], rate, seconds));
  }
  console.log(`${rate} requests/s for ${seconds} s, ${rounds} rounds; minimum / median / maximum`);
  const figures = ['p50', 'p99', 'delay p50', 'delay p99', 'agent CPU'];
  for (const [name, list] of Object.entries(results)) {
    const failed = list.reduce((sum, result) => sum + result.failed, 0);
    console.log(`${name}: ${list.length} runs, ${failed} requests failed`);
    for (const figure of figures) {
      const values = list.map((result) => result[figure]);
      const ratios = values.map((value, i) => value / results.off[i][figure]);
      const told = name === 'off' ? '' : `   ratio to off ${spread(ratios, 2)}`;
      console.log(
        `  ${figure}, ${figure === 'agent CPU' ? 's' : 'ms'}: ${spread(values, 3)}${told}`,
      );
    }
  }
}

async function measure({ admin, scrapes, pages }, rate, seconds) {
  const chain = await startWatchedChain({ HAPROXY_OTEL_ADMIN: admin });
  await fixedRate(chain.ports.http, rate, WARM_UP);
  const viewers = await startViewers(chain.agent, scrapes, pages);
  chain.agent.child.send('start');
  const before = cpuSeconds(chain.agent.child.pid);
  const { p50, p99, failed } = await fixedRate(chain.ports.http, rate, seconds);
  const cpu = cpuSeconds(chain.agent.child.pid) - before;
  chain.agent.child.send('report');
  const [delay] = await once(chain.agent.child, 'message');
  if (viewers !== undefined) await stop(viewers);
  await chain.stop();
  return { p50, p99, failed, 'delay p50': delay.p50, 'delay p99': delay.p99, 'agent CPU': cpu };
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
  const child = fork(VIEWERS, [admin, String(scrapes), String(pages)]);
  await once(child, 'message');
  return child;
}
