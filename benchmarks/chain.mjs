// What tracing costs: load generator, HAProxy, agent, server and OTLP receiver on one machine, with and
// without tracing. All ways run side by side, idle but for their turn, and take turns.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Haproxy } from '../dist/demo/haproxy.js';
import { freePorts } from '../dist/demo/ports.js';
import { filesOf } from '../dist/wiring/wire.js';
import { fixedRate, fullSpeed } from './load.mjs';
import {
  ask,
  cpuSeconds,
  ENDS_WITH_US,
  requestsSeen,
  residentMemory,
  startAgent,
  startProgram,
  startScript,
  stop,
} from './processes.mjs';

/**
 * `config`: `plain` is HAProxy without tracing; `asking` calls the agent and sets the headers; `recording` also
 * writes the line that becomes the spans: what `add` makes of the plain file; `sparing` writes none for traces that are not
 * sampled. `sockets: 'unix'` has HAProxy and the agent talk over unix sockets. `session: 'own'` is how systemd starts
 * a service: Linux shares the processor out between sessions, and niceness counts within each. `keepsAll`: each hop
 * must be there.
 */
export const WAYS = {
  'no tracing': { config: 'plain' },
  'floor agent': { config: 'asking', agent: 'floor' },
  'ids and headers only': { config: 'asking', agent: 'own' },
  'all traces': { config: 'recording', agent: 'own', keepsAll: true },
  'all, unix sockets': { config: 'recording', agent: 'own', sockets: 'unix', keepsAll: true },
  'all, own session': { config: 'recording', agent: 'own', session: 'own', keepsAll: true },
  '10 % of traces': { config: 'recording', agent: 'own', env: ratio(0.1) },
  '1 % of traces': { config: 'recording', agent: 'own', env: ratio(0.01) },
  '1 %, no other lines': { config: 'sparing', agent: 'own', env: ratio(0.01) },
  'no traces': { config: 'recording', agent: 'own', env: { OTEL_TRACES_SAMPLER: 'always_off' } },
};

function ratio(share) {
  return {
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: String(share),
  };
}

const RECORDING =
  /^ *(log ring@|log 127|option log-sep|http-re\w+ +set-log|log-format|error-log|http-re\w+ set-var(-fmt)?\(txn\.otel\.(received|answered|request|target|server_tls)\)|tcp-request content set-var\(txn\.otel\.received\)).*\n/gm;

/** As the documentation has it, with its newline. */
const [SPARING] = /^ *http-response set-log-level silent .*\n/m.exec(
  readFileSync(new URL('../docs/sampling-and-trust.md', import.meta.url), 'utf8'),
);

export const CONFIGS = {
  plain: (config) =>
    filesOf(new Map([['', config]]))
      .clean.get('')
      .replace(/^.*txn\.otel\..*\n/gm, ''),
  asking: (config) => config.replace(RECORDING, ''),
  recording: (config) => config,
  sparing: (config) => config.replace(/^ *log-format "%B"/m, `${SPARING}$&`),
};

/** The trace of somebody who had it sampled: an agent that keeps few has to be warm for these too. */
const SAMPLED = 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** How long the agent may take to export what it has after a turn, in milliseconds. */
const DRAIN_TIMEOUT = 30_000;
/** So many steps without a span are the end: the telemetry thread gives way to all others. */
const DRAIN_STILL = 4;
const DRAIN_STEP = 500;

/** One way to trace, running: an HAProxy of its own, and an agent and a receiver where it has them. */
export class Way {
  static async start(name, { haproxy: program, floor, server }) {
    const way = new Way();
    const { config, agent, env, sockets, session } = WAYS[name];
    const ports = await freePorts();
    const folder = mkdtempSync(join(tmpdir(), 'bench-'));
    way.name = name;
    way.port = ports.http;
    way.recording = config === 'recording' || config === 'sparing';
    way.folder = folder;
    way.statsSocket = join(folder, 'stats');
    const listen = (port) => (sockets === 'unix' ? `unix:${folder}/${port}` : `127.0.0.1:${port}`);
    if (agent === 'floor') way.agent = await startProgram(floor, [String(ports.spop)]);
    if (agent === 'own') {
      way.receiver = await startScript('receiver.mjs');
      const agentEnv = {
        HAPROXY_OTEL_SPOP: listen(ports.spop),
        HAPROXY_OTEL_RECORDS: listen(ports.records),
        OTEL_EXPORTER_OTLP_ENDPOINT: way.receiver.hello.endpoint,
        OTEL_BSP_SCHEDULE_DELAY: '200',
        ...env,
      };
      const started =
        session === 'own'
          ? await startAgent(agentEnv, ENDS_WITH_US, { detached: true })
          : await startAgent(agentEnv);
      way.agent = started.child;
    }
    const global = `global\n    nbthread 1\n    no log\n    stats socket ${way.statsSocket}\n`;
    way.haproxy = await Haproxy.start({
      ports: { ...ports, server },
      command: [program],
      add: { spop: listen(ports.spop), records: listen(ports.records) },
      site: (plain) => plain.replace(/^global\n/m, global),
      edit: CONFIGS[config],
    });
    return way;
  }

  /** What the parts used, and what came out of them, so far. */
  async usage() {
    const { haproxy, agent, receiver } = this;
    const received = receiver === undefined ? { hops: 0, spans: 0 } : await ask(receiver, 'count');
    return {
      ...received,
      seen: await requestsSeen(this.statsSocket),
      haproxy: cpuSeconds(haproxy.pid),
      agent: agent === undefined ? 0 : cpuSeconds(agent.pid),
      receiver: receiver === undefined ? 0 : cpuSeconds(receiver.child.pid),
    };
  }

  /** Waits until nothing more is received. */
  async drained() {
    if (!this.recording) return;
    const deadline = performance.now() + DRAIN_TIMEOUT;
    for (let before = -1, still = 0; still < DRAIN_STILL && performance.now() < deadline; ) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP));
      const { spans } = await ask(this.receiver, 'count');
      still = spans === before ? still + 1 : 0;
      before = spans;
    }
  }

  /** Runs `load` on this way; adds CPU a request in microseconds, hops, and the agent's memory in MiB. */
  async measure(load) {
    const before = await this.usage();
    const result = await load(this.port);
    await this.drained();
    const after = await this.usage();
    const change = (what) => after[what] - before[what];
    const cpu = (part) => (change(part) / result.requests) * 1e6;
    return {
      ...result,
      haproxyCpu: cpu('haproxy'),
      agentCpu: cpu('agent'),
      receiverCpu: cpu('receiver'),
      seen: change('seen'),
      hops: change('hops'),
      spans: change('spans'),
      memory: this.agent === undefined ? 0 : residentMemory(this.agent.pid),
    };
  }

  async stop() {
    await this.haproxy.stop();
    if (this.agent !== undefined) await stop(this.agent);
    if (this.receiver !== undefined) await stop(this.receiver.child);
    rmSync(this.folder, { recursive: true });
  }
}

/** A server that costs little: HAProxy. */
export async function startServer() {
  const ports = await freePorts();
  const server = await Haproxy.start({
    ports,
    edit: () => `global
    nbthread 1
defaults
    mode http
    timeout client 1m
    timeout http-keep-alive 1m
frontend server
    bind 127.0.0.1:${ports.http}
    http-request return status 200 content-type text/plain string ok
`,
  });
  return { server, port: ports.http };
}

/**
 * @param plan.warm seconds of load before the first turn, `plan.full` of each turn at full speed, `plan.fixed`
 *   of each at `plan.rate` requests a second, which the ways in `plan.fixedWays` have
 * @returns for each way the results of its turns
 */
export async function runChain({ haproxy, floor, names, plan }) {
  const { server, port } = await startServer();
  const ways = [];
  try {
    for (const name of names) ways.push(await Way.start(name, { haproxy, floor, server: port }));
    const results = Object.fromEntries(names.map((name) => [name, { full: [], fixed: [] }]));
    for (const way of ways) await way.measure((at) => fullSpeed(at, plan.warm, SAMPLED));
    for (let round = 0; round < plan.rounds; round += 1) {
      for (const way of ways) {
        const { full, fixed } = results[way.name];
        full.push(await way.measure((at) => fullSpeed(at, plan.full)));
        if (!plan.fixedWays.includes(way.name)) continue;
        fixed.push(await way.measure((at) => fixedRate(at, plan.rate, plan.fixed)));
      }
    }
    return results;
  } finally {
    for (const way of ways) await way.stop();
    await server.stop();
  }
}
