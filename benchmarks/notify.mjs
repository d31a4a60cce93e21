// How many NOTIFYs a second does the agent answer on one connection, as many on their way as HAProxy would have?
// By its own CPU time too: the load generator is a process beside it, and may be the slower one.
//
//     node benchmarks/notify.mjs [seconds a turn] [turns]
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';
import { freePort } from '../dist/demo/ports.js';
import { HELLO, notify, PLAIN, WITH_CONTEXT } from './inputs.mjs';
import { cpuSeconds, startAgent, stop } from './processes.mjs';

/** NOTIFYs in one write, and writes on their way: HAProxy has up to 20 streams on a connection, we have more. */
const BATCH = 64;
const WINDOW = 4;

const KINDS = {
  'without context': PLAIN,
  'with context and tracestate, 13 arguments': WITH_CONTEXT,
};

/** Sends batches for so long, each when one was answered; resolves with how many NOTIFYs were. */
async function flood(socket, batch, milliseconds) {
  const end = performance.now() + milliseconds;
  let answered = 0;
  let pending = 0;
  let rest = Buffer.alloc(0);
  return new Promise((resolve) => {
    const write = () => {
      while (pending <= (WINDOW - 1) * BATCH && performance.now() < end) {
        pending += BATCH;
        socket.write(batch);
      }
    };
    const read = (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let position = 0;
      while (bytes.length - position >= 4) {
        const next = position + 4 + bytes.readUInt32BE(position);
        if (next > bytes.length) break;
        position = next;
        pending -= 1;
        answered += 1;
      }
      rest = bytes.subarray(position);
      write();
      if (pending > 0) return;
      socket.off('data', read);
      resolve(answered);
    };
    socket.on('data', read);
    write();
  });
}

/** For each kind NOTIFYs a second, and a second of the agent's CPU time: a number for each turn. */
export async function measureNotify(seconds, turns) {
  const port = await freePort();
  const { child } = await startAgent({
    HAPROXY_OTEL_SPOP: `127.0.0.1:${port}`,
    HAPROXY_OTEL_RECORDS: `127.0.0.1:${await freePort()}`,
    OTEL_TRACES_EXPORTER: 'none',
  });
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  socket.write(HELLO);
  await new Promise((resolve) => socket.once('data', resolve));
  const results = {};
  for (const name of Object.keys(KINDS)) results[name] = { perSecond: [], perCpuSecond: [] };
  for (let turn = -1; turn < turns; turn += 1) {
    for (const [name, messages] of Object.entries(KINDS)) {
      const batch = Buffer.concat(Array.from({ length: BATCH }, (_, i) => notify(i, 1, messages)));
      const cpu = cpuSeconds(child.pid);
      const start = performance.now();
      const answered = await flood(socket, batch, seconds * 1000);
      // The first turn warms up.
      if (turn < 0) continue;
      results[name].perSecond.push((answered / (performance.now() - start)) * 1000);
      results[name].perCpuSecond.push(answered / (cpuSeconds(child.pid) - cpu));
    }
  }
  socket.destroy();
  await stop(child);
  return results;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [seconds = 2, turns = 5] = process.argv.slice(2).map(Number);
  const shown = (values) =>
    [...values]
      .sort((a, b) => a - b)
      .map((value) => Math.round(value))
      .join(' / ');
  for (const [name, { perSecond, perCpuSecond }] of Object.entries(
    await measureNotify(seconds, turns),
  )) {
    console.log(
      `${name}: ${shown(perSecond)} a second, ${shown(perCpuSecond)} a second of CPU time`,
    );
  }
}
