// Does export hold up the mint path? The event loop delay of the agent's main thread at a fixed rate,
// with every request sampled and exported, beside the same without export, and beside a process that does
// nothing at all in the same seconds. Needs h2load (Debian: nghttp2-client) and `npm run build`.
//
//     node benchmarks/event-loop.mjs [requests/s] [seconds] [rounds]
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { spread } from './spread.mjs';
import { DELAY, startWatchedChain } from './watched-chain.mjs';

const [rate = 5000, seconds = 20, rounds = 3] = process.argv.slice(2).map(Number);
const CLIENTS = 20;
const EXPORTERS = ['otlp', 'none'];

const results = Object.fromEntries(EXPORTERS.map((exporter) => [exporter, []]));
for (let round = 0; round < rounds; round += 1) {
  for (const exporter of EXPORTERS) results[exporter].push(await measure(exporter));
}

console.log(`${rate} requests/s for ${seconds} s, ${rounds} rounds; minimum / median / maximum`);
for (const [exporter, list] of Object.entries(results)) {
  const column = (name) =>
    spread(
      list.map((result) => result[name]),
      2,
    );
  console.log(`OTEL_TRACES_EXPORTER=${exporter}`);
  for (const name of ['p50', 'p99', 'p999', 'max']) {
    console.log(
      `  delay ${name}, ms: ${column(name)}   of an idle process: ${column(`idle ${name}`)}`,
    );
  }
  console.log(`  requests/s: ${column('rate')}   failed: ${column('failed')}`);
  console.log(`  spans a request: ${column('spansPerRequest')}`);
}

async function measure(exporter) {
  const chain = await startWatchedChain({ OTEL_TRACES_EXPORTER: exporter });
  const { ports } = chain;
  const { child: agent, lines } = chain.agent;
  // The first check of the agent, and code that is warm.
  const warm = await load(ports.http, 3);
  const idle = fork(DELAY);
  for (const process of [agent, idle]) process.send('start');
  const { done, failed, elapsed } = await load(ports.http, seconds);
  const delay = await report(agent);
  const machine = await report(idle);
  idle.kill();
  await chain.stop();
  const stopped = lines.find(({ msg }) => msg === 'stopped');
  const spansPerRequest = stopped.spans.exported / (warm.done + done);
  const ofIdle = Object.entries(machine).map(([name, value]) => [`idle ${name}`, value]);
  return { ...delay, ...Object.fromEntries(ofIdle), rate: done / elapsed, failed, spansPerRequest };
}

async function report(process) {
  process.send('report');
  const [delay] = await once(process, 'message');
  return delay;
}

async function load(port, duration) {
  const { stdout } = await promisify(execFile)('h2load', [
    '--h1',
    `--clients=${CLIENTS}`,
    `--rps=${rate / CLIENTS}`,
    `--duration=${duration}`,
    `http://127.0.0.1:${port}/bench`,
  ]);
  const [, done, failed] = /(\d+) succeeded, (\d+) failed/.exec(stdout) ?? [];
  return { done: Number(done), failed: Number(failed), elapsed: duration };
}
