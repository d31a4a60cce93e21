// What tracing costs, on HAProxy 2.6 (or what is installed) and 3.2: one table for people, one JSON file.
//
//     npm run bench                          all of it, under ten minutes
//     npm run bench -- --short               that it works, and that no hop is lost
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runChain, WAYS } from './chain.mjs';
import { measureStartup } from './startup.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const CACHE = join(ROOT, '.cache');
const { values: options } = parseArgs({ options: { short: { type: 'boolean', default: false } } });

const FIXED_RATE = 5000;
const PLAN = options.short
  ? { rounds: 1, warm: 1, full: 1, fixed: 1, rate: 500 }
  : { rounds: 4, warm: 4, full: 3, fixed: 5, rate: FIXED_RATE };
const FIXED_WAYS = ['floor agent', 'all traces'];

mkdirSync(CACHE, { recursive: true });
execFileSync('sh', [join(ROOT, 'benchmarks/install.sh')], { stdio: 'inherit' });
const floor = join(CACHE, 'floor');
execFileSync('cc', ['-O2', '-o', floor, join(ROOT, 'benchmarks/floor.c')]);

const programs = { installed: 'haproxy' };
if (!options.short) {
  const folder = join(CACHE, 'haproxy-sid');
  execFileSync('sh', [join(ROOT, 'test/haproxy/fetch-version.sh'), 'sid', folder]);
  programs.sid = join(folder, 'haproxy');
}

const report = { startup: await measureStartup(options.short ? 1 : 5), versions: {} };
print('start to first ACK, ms', report.startup);
let lost = 0;
for (const haproxy of Object.values(programs)) {
  const [version] = execFileSync(haproxy, ['-v'], { encoding: 'latin1' }).split(' 20', 1);
  const names = Object.keys(WAYS);
  const plan = { ...PLAN, fixedWays: FIXED_WAYS };
  const results = await runChain({ haproxy, floor, names, plan });
  report.versions[version] = results;
  console.log(`\n${version}; minimum / median / maximum`);
  for (const name of names) lost += tell(name, results);
}
writeFileSync(join(CACHE, 'bench.json'), JSON.stringify(report, undefined, 2));
console.log(`\nhops lost: ${lost}; all figures are in .cache/bench.json`);
if (lost > 0) process.exitCode = 1;

/** Prints one way; returns how many hops it lost. */
function tell(name, results) {
  const { full, fixed } = results[name];
  const ratio = (other) => full.map(({ rate }, round) => rate / results[other].full[round].rate);
  console.log(`\n${name}`);
  print('  requests/s', column(full, 'rate'), 0);
  print('  of no tracing', ratio('no tracing'));
  print('  of the floor agent', ratio('floor agent'));
  print('  CPU of HAProxy, us a request', column(full, 'haproxyCpu'));
  print('  CPU of the agent, us a request', column(full, 'agentCpu'));
  print("  agent's memory, MiB", column(full, 'memory'), 0);
  for (const percentile of fixed.length > 0 ? ['p50', 'p99', 'p999'] : []) {
    print(`  ${percentile} at ${PLAN.rate} requests/s, ms`, column(fixed, percentile));
  }
  if (name !== 'all traces' && name !== 'all, unix sockets') return 0;
  const missing = [...full, ...fixed].reduce((sum, { seen, hops }) => sum + seen - hops, 0);
  console.log(`  hops lost: ${missing}`);
  return Math.max(0, missing);
}

function column(turns, what) {
  return turns.map((turn) => turn[what]);
}

function print(label, values, digits = 2) {
  const sorted = [...values].sort((a, b) => a - b);
  const shown = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  console.log(`${label.padEnd(34)} ${shown.map((value) => value.toFixed(digits)).join(' / ')}`);
}
