// What the telemetry thread alone costs: records come as fast as they are taken, without HAProxy.
//
//     node benchmarks/records.mjs [DIR of an older build]
//     node benchmarks/records.mjs --signals      spans alone, and with metrics and log records
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
const LAST_BATCH = 400;

/** An agent with a receiver, and a ring's connection to it. */
class Feed {
  static async start({ build, env }) {
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
        OTEL_BLRP_SCHEDULE_DELAY: '200',
        ...env,
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

  /** CPU time of the agent a record, in microseconds, and records a second until the last span was received. */
  async turn() {
    const before = await ask(this.receiver, 'count');
    const cpu = cpuSeconds(this.agent.pid);
    const started = performance.now();
    for (let sent = 0; sent < RECORDS; sent += LINES) {
      if (this.socket.write(this.chunk)) continue;
      await new Promise((resolve) => this.socket.once('drain', resolve));
    }
    const deadline = performance.now() + TIMEOUT;
    for (;;) {
      const { hops } = await ask(this.receiver, 'count');
      const missing = before.hops + RECORDS - hops;
      if (missing === 0) {
        const rate = (RECORDS * 1000) / (performance.now() - started);
        // Log records may come last.
        await new Promise((resolve) => setTimeout(resolve, LAST_BATCH));
        return { cpu: ((cpuSeconds(this.agent.pid) - cpu) / RECORDS) * 1e6, rate };
      }
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

/** For each agent, by name, what each of so many turns took, interleaved. `agents`: a build, and settings of its own. */
export async function measureRecords(agents, turns) {
  const feeds = {};
  const results = {};
  try {
    for (const [name, agent] of Object.entries(agents)) {
      feeds[name] = await Feed.start(agent);
      results[name] = [];
    }
    // The first two warm up.
    for (let turn = -2; turn < turns; turn += 1) {
      for (const [name, feed] of Object.entries(feeds)) {
        const result = await feed.turn();
        if (turn >= 0) results[name].push(result);
      }
    }
    return results;
  } finally {
    for (const feed of Object.values(feeds)) await feed.stop();
  }
}

const METRICS = { OTEL_METRICS_EXPORTER: 'otlp', OTEL_METRIC_EXPORT_INTERVAL: '5000' };
const LOGS = { OTEL_LOGS_EXPORTER: 'otlp' };
const SIGNALS = {
  spans: { build: THIS },
  'spans and metrics': { build: THIS, env: METRICS },
  'spans and log records': { build: THIS, env: LOGS },
  'all three': { build: THIS, env: { ...METRICS, ...LOGS } },
};

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , older] = process.argv;
  const builds = {
    this: { build: THIS },
    ...(older === undefined || older === '--signals' ? {} : { older: { build: new Build(older) } }),
  };
  const results = await measureRecords(older === '--signals' ? SIGNALS : builds, 7);
  for (const [name, turns] of Object.entries(results)) {
    const cpu = spread(
      turns.map((turn) => turn.cpu),
      1,
    );
    const rate = spread(
      turns.map((turn) => turn.rate),
      0,
    );
    console.log(`${name}: ${cpu} us of the agent's CPU time a record, ${rate} records/s`);
  }
}
