// How long the agent takes from being started to its first ACK, with a HAProxy that connects as soon as it can.
//
//     node benchmarks/startup.mjs [times]
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';
import { freePort } from '../dist/demo/ports.js';
import { FrameType } from '../dist/spop/constants.js';
import { HELLO, notify } from './inputs.mjs';
import { stop } from './processes.mjs';
import { spread } from './spread.mjs';

const RETRY = 2;
const FRAME_TYPE = 4;
const NOTIFY = notify(1, 1, [['mint', []]]);

async function connected(port) {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (open) return socket;
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

// Node reads such a bundle before anything else, which takes a quarter of the time; a service has none.
const { NODE_EXTRA_CA_CERTS: _bundle, ...environment } = process.env;

/** Milliseconds, for each of `times` starts of the agent, and of Node with nothing to do. */
export async function measureStartup(times) {
  const agentTimes = [];
  const nodeTimes = [];
  for (let i = 0; i < times; i += 1) {
    const nothing = performance.now();
    spawnSync(process.execPath, ['-e', '0'], { env: environment });
    nodeTimes.push(performance.now() - nothing);
    const port = await freePort();
    const started = performance.now();
    const agent = fork(new URL('../dist/main.js', import.meta.url), ['run'], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: {
        ...environment,
        HAPROXY_OTEL_SPOP: `127.0.0.1:${port}`,
        HAPROXY_OTEL_RECORDS: `127.0.0.1:${await freePort()}`,
        HAPROXY_OTEL_ADMIN: '127.0.0.1:0',
      },
    });
    const socket = await connected(port);
    socket.write(Buffer.concat([HELLO, NOTIFY]));
    let received = Buffer.alloc(0);
    const acknowledged = () => {
      const next = FRAME_TYPE + (received.length >= FRAME_TYPE ? received.readUInt32BE(0) : 0);
      return received[next + FRAME_TYPE] === FrameType.ACK;
    };
    while (!acknowledged()) {
      const [chunk] = await once(socket, 'data');
      received = Buffer.concat([received, chunk]);
    }
    agentTimes.push(performance.now() - started);
    socket.destroy();
    await stop(agent);
  }
  return { agent: agentTimes, node: nodeTimes };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const times = await measureStartup(Number(process.argv[2] ?? 5));
  for (const [name, values] of Object.entries(times))
    console.log(`${name}: ${spread(values, 0)} ms`);
}
