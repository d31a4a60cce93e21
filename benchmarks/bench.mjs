// What tracing costs, on HAProxy 2.6 (or what is installed), 3.2 and 3.4: tables for people, one JSON file.
//
//     npm run bench                          all of it, under ten minutes
//     npm run bench -- --build DIR           and an older build beside it: a checkout after "npm ci && npm run build"
//     npm run bench -- --short               that it works, and that no hop is lost
//     npm run bench -- --rows 'by HAProxy'   only the ways whose names match a regular expression, beside the untraced one
//     npm run bench -- --write               what is printed, in docs/performance.md too
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { conservation } from './accounts.mjs';
import { Build, THIS } from './builds.mjs';
import { markdownTable } from './markdown.mjs';
import { measureNotify } from './notify.mjs';
import { measureRecords } from './records.mjs';
import { runRounds } from './rounds.mjs';
import { spread, spreadOf } from './spread.mjs';
import { measureStartup } from './startup.mjs';
import { TARGETS } from './targets.mjs';
import { AT_A_FIXED_RATE, IN_SHORT, WAYS } from './ways.mjs';

const CACHE = join(THIS.root, '.cache');
const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    build: { type: 'string' },
    rows: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
});

const PLAN = options.short
  ? { rounds: 1, warm: 1, full: 1, fixed: 1, rate: 500, records: 1, startup: 1, notify: 0.5 }
  : { rounds: 3, warm: 1, full: 2, fixed: 3, rate: 5000, records: 4, startup: 5, notify: 1 };
const SUITES = options.short ? {} : { sid: '3.2', experimental: '3.4' };
const older = options.build === undefined ? undefined : new Build(resolve(options.build));

/** What is on the screen, for the docs. */
const printed = [];
const print = (text) => {
  printed.push(text);
  console.log(text);
};

mkdirSync(CACHE, { recursive: true });
execFileSync('sh', [join(THIS.root, 'benchmarks/install.sh')], { stdio: 'inherit' });
const floor = join(CACHE, 'floor');
execFileSync('cc', ['-O2', '-o', floor, join(THIS.root, 'benchmarks/floor.c')]);
const programs = [process.env.HAPROXY ?? 'haproxy'];
for (const suite of Object.keys(SUITES)) {
  const folder = join(CACHE, `haproxy-${suite}`);
  const fetchVersion = join(THIS.root, 'test/end-to-end/fetch-version.sh');
  execFileSync('sh', [fetchVersion, suite, folder], { stdio: 'inherit' });
  programs.push(join(folder, 'haproxy'));
}

// Others on the machine make all figures worse, and throughput a matter of luck.
const [load] = loadavg();
const report = {
  load,
  date: new Date().toISOString(),
  machine: `${cpus().length} x ${cpus()[0].model}`,
  node: process.version,
  older: options.build,
  startup: await measureStartup(PLAN.startup),
  notify: await measureNotify(PLAN.notify, PLAN.startup),
  records: await measureRecords(
    { this: { build: THIS }, ...(older && { older: { build: older } }) },
    PLAN.records,
  ),
  versions: {},
};
print(
  `${report.date.slice(0, 10)}, ${report.machine}, Node ${report.node}, load before the start ${load.toFixed(1)}; minimum / median / maximum\n`,
);
for (const [kind, { perSecond, perCpuSecond }] of Object.entries(report.notify)) {
  print(
    `- NOTIFYs on one connection, ${kind}: ${spread(perSecond, 0)} a second, ${spread(perCpuSecond, 0)} a second of CPU time`,
  );
}
print(`- start of Node with nothing to do: ${spread(report.startup.node, 0)} ms`);
for (const [build, turns] of Object.entries(report.records)) {
  const cpu = spread(
    turns.map((turn) => turn.cpu),
    1,
  );
  print(`- records at full speed, ${build} build: ${cpu} us of CPU time each`);
}
print('');
const names = (options.short ? IN_SHORT : Object.keys(WAYS)).filter(
  (name) =>
    (older !== undefined || !WAYS[name].older) &&
    (options.rows !== '' || !WAYS[name].onlyByName) &&
    (name === 'untraced' || new RegExp(options.rows).test(name)),
);
for (const haproxy of programs) {
  const [, program] = /^(HAProxy version (\S+))/.exec(run(haproxy, ['-v'])) ?? [];
  const plan = { ...PLAN, fixedWays: AT_A_FIXED_RATE };
  const { rate, results } = await runRounds({ haproxy, floor, older, names, plan });
  const [version] = /\d+\.\d+/.exec(program);
  report.versions[version] = { program, rate, results };
  print(`### ${program}\n\n${waysTable(results, rate)}\n`);
  const missing = names.filter((name) => results[name] === undefined);
  if (missing.length > 0) print(`Not in this build: ${missing.join('; ')}.\n`);
  if (rate < PLAN.rate)
    print(`The fixed rate is ${rate}/s: the machine has no room for ${PLAN.rate}/s.\n`);
}
print(`### Targets\n\n${targetsTable()}\n`);
const turns = Object.values(report.versions).flatMap(({ results }) =>
  Object.values(results).flatMap(({ full, fixed }) => [...full, ...fixed]),
);
const sum = (what) => turns.reduce((total, turn) => total + turn[what], 0);
const account = Object.fromEntries(
  ['seen', 'arrived', 'droppedByHaproxy', 'droppedByAgent'].map((term) => [term, sum(term)]),
);
print(`hops: ${conservation(account).sentence}.`);
// A hop lost in one turn and one twice in another are two.
const failed = turns.filter((turn) => turn.unaccounted !== 0 || turn.arrived !== turn.seen);
for (const turn of failed) console.error(`one turn: ${conservation(turn).sentence}`);
writeFileSync(join(CACHE, 'bench.md'), `${printed.join('\n')}\n`);
writeFileSync(join(CACHE, 'bench.json'), JSON.stringify(report, undefined, 2));
if (options.write) writeFigures(join(THIS.root, 'docs/performance.md'), printed.join('\n'));
console.log('This is in .cache/bench.md too, and all figures in .cache/bench.json.');
if (failed.length > 0) process.exitCode = 1;

function writeFigures(page, figures) {
  const text = readFileSync(page, 'utf8');
  const between = /(?<=<!-- figures -->\n)[\s\S]*(?=<!-- end of figures -->)/;
  writeFileSync(
    page,
    text.replace(between, () => `\n${figures}\n\n`),
  );
}

function run(program, args) {
  return execFileSync(program, args, { encoding: 'latin1' });
}

/** One line a way; what is compared is compared within each round. */
function waysTable(results, rate) {
  const { full: untraced } = results.untraced;
  const ofUntraced = (turns) => turns.map((turn, round) => turn.rate / untraced[round].rate);
  const adds = (turns) =>
    turns.map((turn, round) => turn.haproxyCpu + turn.agentCpu - untraced[round].haproxyCpu);
  const columns = {
    'requests/s': ({ full }) => spread(column(full, 'rate'), 0),
    'of untraced': ({ full }) => spread(ofUntraced(full), 2),
    'HAProxy, us CPU': ({ full }) => spread(column(full, 'haproxyCpu'), 1),
    'agent, us CPU': ({ full }) => spread(column(full, 'agentCpu'), 1),
    'adds to the host, us CPU': ({ full }) => spread(adds(full), 1),
    'agent, MiB': ({ full }) => spread(column(full, 'memory'), 0),
    [`agent, us CPU at ${rate}/s`]: ({ fixed }) => spread(column(fixed, 'agentCpu'), 1),
    'p50 there, ms': ({ fixed }) => spread(column(fixed, 'p50'), 2),
    'p99.9 there, ms': ({ fixed }) => spread(column(fixed, 'p999'), 2),
  };
  return markdownTable([
    ['', ...Object.keys(columns)],
    ...Object.entries(results).map(([name, result]) => [
      name,
      ...Object.values(columns).map((cell) => cell(result)),
    ]),
  ]);
}

/** One line a target, one column a version. */
function targetsTable() {
  const versions = Object.entries(report.versions);
  const cell = ({ met }, values, version) => {
    if (values === undefined || values.length === 0) return '-';
    const [, median] = spreadOf(values);
    return `${spread(values, median < 10 ? 2 : 0)} ${met(median, version) ? 'met' : 'MISSED'}`;
  };
  const rows = TARGETS.map((target) => [
    target.name,
    target.wanted,
    ...versions.map(([version, { results }]) =>
      cell(target, target.seen(results, version), version),
    ),
  ]);
  const alone = report.records.older?.map(({ cpu }, turn) => report.records.this[turn].cpu / cpu);
  const atMost = (limit) => ({ met: (seen) => seen <= limit });
  const rest = versions.slice(1).map(() => '');
  rows.push(
    [
      'telemetry thread alone, records at full speed: CPU, of the older build',
      'at most 0.5',
      cell(atMost(0.5), alone),
      ...rest,
    ],
    ['start to first answer, ms', 'at most 250', cell(atMost(250), report.startup.agent), ...rest],
  );
  return markdownTable([['target', 'wanted', ...versions.map(([version]) => version)], ...rows]);
}

function column(turns, what) {
  return turns.map((turn) => turn[what]);
}
