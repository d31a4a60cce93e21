// Feeds inputs that a coverage-guided fuzzer makes up to all that reads what others write:
//
//     npm run fuzz -- [TARGET...] [--runs N] [--seed S]
//
// Each target gets its share of N executions; what they are follows from the seed, and from what was learnt before. That
// stays in .cache/fuzz/TARGET, so that the next run begins where this one ended; an input that is a finding is left there
// too, and named.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * What share of all executions a target gets, so that each has some time, and how long its inputs are at most, in bytes.
 */
const TARGETS = {
  frames: { share: 0.42, length: 1_024 },
  context: { share: 0.45, length: 1_024 },
  records: { share: 0.1, length: 4_096 },
  settings: { share: 0.01, length: 1_024 },
  configuration: { share: 0.019, length: 2_048 },
  wiring: { share: 0.001, length: 1_536 },
};
const DEFAULT_RUNS = 1_000_000;
/** Counters that the fuzzer has of its own. */
const HOOK_EDGES = 512;
/** The C library that the fuzzer is linked with: Debian 12 has an older one. */
const NEEDED_GLIBC = 2.38;

const here = import.meta.dirname;
const root = join(here, '../..');
const jazzer = createRequire(import.meta.url).resolve('@jazzer.js/core/dist/cli.js');

/** Node, where need be with the C library of a later Debian, which the tests have beside its HAProxy. */
function node() {
  const { glibcVersionRuntime } = process.report.getReport().header;
  if (Number(glibcVersionRuntime) >= NEEDED_GLIBC) return [process.execPath];
  const unpacked = join(root, '.cache/haproxy-trixie');
  execFileSync('sh', [join(here, '../end-to-end/fetch-version.sh'), 'trixie', unpacked], {
    stdio: 'inherit',
  });
  const loader = readdirSync(join(unpacked, 'root/usr/lib'), { recursive: true }).find((file) =>
    /^[^/]*-linux-gnu\/ld-linux-.*\.so\.\d$/.test(file),
  );
  const path = join(unpacked, 'root/usr/lib', loader);
  return [path, '--library-path', dirname(path), process.execPath];
}

/** @returns executions, and edges of the code that were reached of all there are */
async function run(target, runs) {
  const { seeds } = await import(`./${target}.fuzz.mjs`);
  const folder = join(root, '.cache/fuzz', target);
  const [corpus, first] = [join(folder, 'corpus'), join(folder, 'seeds')];
  for (const each of [corpus, first]) mkdirSync(each, { recursive: true });
  for (const [index, seed] of seeds.entries()) writeFileSync(join(first, String(index)), seed);
  const [command, ...before] = node();
  // A file: the fuzzer does not write again what a pipe had no room for.
  const file = join(folder, 'log');
  const log = openSync(file, 'w');
  const child = spawn(
    command,
    [
      ...before,
      jazzer,
      join(here, `${target}.fuzz.mjs`),
      corpus,
      first,
      '--sync',
      ...['-i', `${root}/dist/`],
      ...['-h', join(here, 'hooks.mjs')],
      ...['--disable_bug_detectors', '.*'],
      '--',
      `-seed=${values.seed}`,
      `-runs=${runs}`,
      `-max_len=${TARGETS[target].length}`,
      `-artifact_prefix=${folder}/`,
    ],
    { cwd: root, stdio: ['ignore', log, log] },
  );
  const code = await new Promise((resolve) => child.once('close', resolve));
  closeSync(log);
  const output = readFileSync(file, 'latin1');
  const edges = Number(/.*\((\d+) inline 8-bit counters\)/s.exec(output)?.[1]) - HOOK_EDGES;
  const covered = Number(/.*\bcov: (\d+)/s.exec(output)?.[1]);
  const done = Number(/\nDone (\d+) runs/.exec(output)?.[1]);
  const findings = readdirSync(folder).filter((name) => /^(crash|timeout|oom)-/.test(name));
  if (code !== 0 || findings.length > 0 || !(done >= runs) || !(covered > 0)) {
    process.stderr.write(output.slice(-65_536));
    const where = findings.map((name) => join(folder, name)).join(' ');
    throw new Error(`${target}: exit code ${code} after ${done} executions, findings: ${where}`);
  }
  return { done, covered, edges };
}

const { values, positionals } = parseArgs({
  options: {
    runs: { type: 'string', default: String(DEFAULT_RUNS) },
    seed: { type: 'string', default: '1' },
  },
  allowPositionals: true,
});
const targets = positionals.length > 0 ? positionals : Object.keys(TARGETS);
const whole = targets.reduce((sum, target) => sum + TARGETS[target].share, 0);
const waiting = [...targets];

/** One target after the other, as long as there are any. */
async function work() {
  for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
    const began = performance.now();
    const runs = Math.ceil((Number(values.runs) * TARGETS[target].share) / whole);
    const { done, covered, edges } = await run(target, runs);
    const seconds = (performance.now() - began) / 1_000;
    console.log(
      `${target}: ${done} executions in ${seconds.toFixed()} s, ${covered} of ${edges} edges reached`,
    );
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, work));
