// Runs the benchmarks of one file, each of which answers one question about a part alone.
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { spreadOf } from './spread.mjs';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

/** Until the code is as fast as it gets, and of each turn, in milliseconds. */
const WARM = 1_000;
const TURN = 50;
const ROUNDS = 15;
/** Calls over which allocation is measured: less than what fills the young generation. */
const CALLS = 20;

/** CPU time of one call on average, over `milliseconds` of calls, in nanoseconds: others may be using the machine. */
function time(work, milliseconds) {
  const end = performance.now() + milliseconds;
  const before = process.cpuUsage();
  let calls = 0;
  do {
    work();
    calls += 1;
  } while (performance.now() < end);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / calls) * 1000;
}

/** Bytes of heap that one call allocates. */
function allocation(work) {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < CALLS; i += 1) work();
  return (process.memoryUsage().heapUsed - before) / CALLS;
}

/**
 * All alternate, so that a machine that gets slower slows them all.
 *
 * @param url `import.meta.url` of the file, which prints what it finds when it is run by itself
 * @param questions for each name a function that does the thing `times` times
 * @returns for each name nanoseconds (minimum, median, maximum of the turns) and bytes allocated, of one of them
 */
export function measure(url, times, questions) {
  const turns = Object.entries(questions).map(([name, work]) => ({ name, work, nanoseconds: [] }));
  for (const { work } of turns) time(work, WARM);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { work, nanoseconds } of turns) nanoseconds.push(time(work, TURN) / times);
  }
  const results = {};
  for (const { name, work, nanoseconds } of turns) {
    results[name] = {
      nanoseconds: spreadOf(nanoseconds),
      bytes: Math.max(0, allocation(work) / times),
    };
  }
  if (pathToFileURL(process.argv[1]).href === url) printResults(results);
  return results;
}

export function printResults(results) {
  for (const [name, { nanoseconds, bytes }] of Object.entries(results)) {
    const shown = nanoseconds.map((value) => value.toFixed(0)).join(' / ');
    console.log(`${name.padEnd(44)} ${shown.padStart(24)} ns, ${bytes.toFixed(0)} bytes`);
  }
}
