// What tracing costs, on HAProxy 2.6 (or what is installed) and 3.2: one table for people, one JSON file.
//
//     npm run bench                          all of it, under ten minutes
//     npm run bench -- --short               that it works, and that no hop is lost
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runChain, WAYS } from './chain.mjs';
import { tell as tellMicro } from './micro.mjs';
import { measureNotify } from './notify.mjs';
import { spread } from './spread.mjs';
import { measureStartup } from './startup.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const CACHE = join(ROOT, '.cache');
const { values: options } = parseArgs({ options: { short: { type: 'boolean', default: false } } });

const FIXED_RATE = 5000;
const PLAN = options.short
  ? { rounds: 1, warm: 1, full: 1, fixed: 1, rate: 500 }
  : { rounds: 4, warm: 4, full: 2, fixed: 5, rate: FIXED_RATE };
const FIXED_WAYS = ['floor agent', 'all traces', 'all, own session'];
const MICRO = ['split', 'decode', 'mint', 'record', 'encode', 'metrics'];

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

const report = {
  date: new Date().toISOString(),
  machine: `${cpus().length} x ${cpus()[0].model}`,
  node: process.version,
  startup: await measureStartup(options.short ? 1 : 5),
  notify: await measureNotify(options.short ? 0.5 : 2, options.short ? 1 : 5),
  micro: {},
  versions: {},
};
console.log(`${report.machine}, Node ${report.node}; minimum / median / maximum`);
print('start to first ACK, ms', report.startup);
for (const [kind, { perSecond, perCpuSecond }] of Object.entries(report.notify)) {
  console.log(`NOTIFYs on one connection, ${kind}`);
  print('  a second', perSecond, 0);
  print("  a second of the agent's CPU time", perCpuSecond, 0);
}
for (const question of options.short ? [] : MICRO) {
  const { results } = await import(`./${question}.mjs`);
  Object.assign(report.micro, results);
  tellMicro(results);
}
let lost = 0;
for (const haproxy of Object.values(programs)) {
  const [version] = execFileSync(haproxy, ['-v'], { encoding: 'latin1' }).split(' 20', 1);
  const names = Object.keys(WAYS);
  const plan = { ...PLAN, fixedWays: FIXED_WAYS };
  const results = await runChain({ haproxy, floor, names, plan });
  report.versions[version] = results;
  console.log(`\n${version}`);
  table(names, results);
  lost += names
    .filter((name) => WAYS[name].keepsAll)
    .reduce((sum, name) => sum + lostBy(results[name]), 0);
}
writeFileSync(join(CACHE, 'bench.json'), JSON.stringify(report, undefined, 2));
console.log(`\nhops lost: ${lost}; all figures are in .cache/bench.json`);
if (lost > 0) process.exitCode = 1;

/** One line a way; what is compared is compared within each round. */
function table(names, results) {
  const columns = {
    'requests/s': ({ full }) => spread(column(full, 'rate'), 0),
    'of no tracing': ({ full }) => spread(ratios(full, results['no tracing'].full), 2),
    'of the floor': ({ full }) => spread(ratios(full, results['floor agent'].full), 2),
    'HAProxy, us CPU': ({ full }) => spread(column(full, 'haproxyCpu'), 1),
    'agent, us CPU': ({ full }) => spread(column(full, 'agentCpu'), 1),
    'agent, MiB': ({ full }) => spread(column(full, 'memory'), 0),
    [`p50 at ${PLAN.rate}/s, ms`]: ({ fixed }) => spread(column(fixed, 'p50'), 2),
    'p99, ms': ({ fixed }) => spread(column(fixed, 'p99'), 2),
    'p99.9, ms': ({ fixed }) => spread(column(fixed, 'p999'), 2),
  };
  const rows = names.map((name) => [
    name,
    ...Object.values(columns).map((cell) => cell(results[name])),
  ]);
  const lines = [['', ...Object.keys(columns)], ...rows];
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  for (const line of lines) {
    console.log(
      line
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  '),
    );
  }
}

function ratios(turns, others) {
  return turns.map(({ rate }, round) => rate / others[round].rate);
}

/** Hops of a way that exports all of them. */
function lostBy({ full, fixed }) {
  return [...full, ...fixed].reduce((sum, { seen, hops }) => sum + Math.max(0, seen - hops), 0);
}

function column(turns, what) {
  return turns.map((turn) => turn[what]);
}

function print(label, values, digits = 2) {
  console.log(`${label.padEnd(54)} ${spread(values, digits)}`);
}
