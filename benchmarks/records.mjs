// What the telemetry thread alone costs: records come as fast as they are taken, without HAProxy.
//
//     node benchmarks/records.mjs [DIR of an older build]
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';
import { freePort } from '../dist/demo/ports.js';
import { agentAccount } from './accounts.mjs';
import { Build, THIS } from './builds.mjs';
import { ask, cpuSeconds, startAgent, startScript, stop } from './processes.mjs';
import { spread } from './spread.mjs';

/** Both spans of each fit into the agent's queue, so that a receiver that is slower loses none. */
const RECORDS = 20_000;
const LINES = 500;
/** Of a turn, in milliseconds. */
const TIMEOUT = 30_000;
const STEP = 20;

/** An agent with a receiver, and a ring's connection to it. */
class Feed {
  static async start(build) {
    const feed = new Feed();
    const [spop, records, admin] = [await freePort(), await freePort(), await freePort()];
    feed.receiver = await startScript('receiver.mjs');
    feed.adminPort = admin;
    const { child } = await startAgent(
      {
        HAPROXY_OTEL_SPOP: `127.0.0.1:${spop}`,
        HAPROXY_OTEL_RECORDS: `127.0.0.1:${records}`,
        HAPROXY_OTEL_ADMIN: `127.0.0.1:${admin}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: feed.receiver.hello.endpoint,
        OTEL_BSP_SCHEDULE_DELAY: '200',
      },
      [],
      build.main,
    );
    feed.agent = child;
    const { chunkOfRecords } = await build.import('benchmarks/inputs.mjs');
    feed.chunk = chunkOfRecords(LINES);
    feed.socket = connect(records, '127.0.0.1');
    return feed;
  }

  /** CPU time of the agent a record, in microseconds, until the last span has been received. */
  async turn() {
    const before = await ask(this.receiver, 'count');
    const cpu = cpuSeconds(this.agent.pid);
    for (let sent = 0; sent < RECORDS; sent += LINES) {
      if (this.socket.write(this.chunk)) continue;
      await new Promise((resolve) => this.socket.once('drain', resolve));
    }
    const deadline = performance.now() + TIMEOUT;
    for (;;) {
      const { hops } = await ask(this.receiver, 'count');
      const missing = before.hops + RECORDS - hops;
      if (missing === 0) return ((cpuSeconds(this.agent.pid) - cpu) / RECORDS) * 1e6;
      if (performance.now() > deadline) {
        const account = JSON.stringify(await agentAccount(this.adminPort));
        throw new Error(`${missing} of ${RECORDS} records are missing: ${account}`);
      }
      await new Promise((resolve) => setTimeout(resolve, STEP));
    }
  }

  async stop() {
    this.socket.destroy();
    await stop(this.agent);
    await stop(this.receiver.child);
  }
}

/** For each build, by name, microseconds of the agent a record in each of so many turns, interleaved. */
export async function measureRecords(builds, turns) {
  const feeds = {};
  const results = {};
  try {
    for (const [name, build] of Object.entries(builds)) {
      feeds[name] = await Feed.start(build);
      results[name] = [];
    }
    // The first two warm up.
    for (let turn = -2; turn < turns; turn += 1) {
      for (const [name, feed] of Object.entries(feeds)) {
        const cpu = await feed.turn();
        if (turn >= 0) results[name].push(cpu);
      }
    }
    return results;
  } finally {
    for (const feed of Object.values(feeds)) await feed.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , older] = process.argv;
  const builds = { this: THIS, ...(older === undefined ? {} : { older: new Build(older) }) };
  for (const [name, values] of Object.entries(await measureRecords(builds, 5))) {
    console.log(`${name}: ${spread(values, 1)} us of the agent's CPU time a record`);
  }
}
