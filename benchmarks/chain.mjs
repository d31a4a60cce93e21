// What tracing costs: load generator, HAProxy, agent, server and OTLP receiver on one machine, with and
// without tracing. All ways run side by side, idle but for their turn, and take turns.
import { Haproxy } from '../dist/demo/haproxy.js';
import { freePort, freePorts } from '../dist/demo/ports.js';
import { fixedRate, fullSpeed } from './load.mjs';
import {
  ask,
  cpuSeconds,
  residentBytes,
  startAgent,
  startProgram,
  startScript,
  stop,
} from './processes.mjs';

/**
 * `config`: plain is HAProxy without tracing, asking calls the agent and sets the headers, and recording also
 * writes the line that becomes the spans: the shipped configuration.
 */
export const WAYS = {
  none: { config: 'plain' },
  floor: { config: 'asking', agent: 'floor' },
  mint: { config: 'asking', agent: 'otel', env: {} },
  'all sampled': { config: 'recording', agent: 'otel', env: {} },
  '10 % sampled': { config: 'recording', agent: 'otel', env: ratio(0.1) },
  '1 % sampled': { config: 'recording', agent: 'otel', env: ratio(0.01) },
  off: { config: 'recording', agent: 'otel', env: { OTEL_TRACES_SAMPLER: 'always_off' } },
};

function ratio(share) {
  return {
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: String(share),
  };
}

const BLOCK = / *# >>> otel[\s\S]*?# <<< otel\n/g;
const RECORDING =
  /^ *(log ring@|log 127|option log-sep|http-re\w+ +set-log|log-format|error-log).*\n/gm;

export const CONFIGS = {
  plain: (config) => config.replace(BLOCK, ''),
  asking: (config) => config.replace(RECORDING, ''),
  recording: (config) => config,
};

/** How long the agent may take to export what it has after a round, in milliseconds. */
const DRAIN_TIMEOUT = 30_000;

/** One way to trace, running: an HAProxy of its own, and an agent and a receiver where it has them. */
export class Way {
  static async start(name, { haproxy: program, floor, server }) {
    const way = new Way();
    way.name = name;
    const { config, agent, env } = WAYS[name];
    way.config = config;
    way.ports = await freePorts();
    if (agent === 'floor') way.agent = await startProgram(floor, [String(way.ports.spop)]);
    if (agent === 'otel') {
      way.receiver = await startScript('receiver.mjs');
      const started = await startAgent({
        HAPROXY_OTEL_SPOP: process.env.UNIX
          ? `unix:/tmp/spop-${way.ports.spop}`
          : `127.0.0.1:${way.ports.spop}`,
        HAPROXY_OTEL_RECORDS: process.env.UNIX
          ? `unix:/tmp/spop-${way.ports.records}`
          : `127.0.0.1:${way.ports.records}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: way.receiver.hello.endpoint,
        OTEL_BSP_SCHEDULE_DELAY: '200', ...(process.env.BATCH ? { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: process.env.BATCH } : {}),
        ...env,
      });
      way.agent = started.child;
      way.log = started.lines;
    }
    way.haproxy = await Haproxy.start({
      ports: { ...way.ports, server },
      command: [program],
      edit: (shipped) =>
        ((c) =>
          process.env.UNIX
            ? c.replaceAll(/server agent 127.0.0.1:(\d+)/g, 'server agent unix@/tmp/spop-$1')
            : c)(CONFIGS[config](shipped).replace(/^global\n/m, '$&    nbthread 1\n    no log\n')),
    });
    return way;
  }

  /** What the parts used so far. */
  async usage() {
    const received = this.receiver === undefined ? undefined : await ask(this.receiver, 'count');
    return {
      haproxy: cpuSeconds(this.haproxy.process.pid),
      agent: this.agent === undefined ? 0 : cpuSeconds(this.agent.pid),
      receiver: this.receiver === undefined ? 0 : cpuSeconds(this.receiver.child.pid),
      hops: received?.hops ?? 0,
      spans: received?.spans ?? 0,
    };
  }

  /** Waits until nothing more is received. */
  async drained() {
    if (this.receiver === undefined || this.config !== 'recording') return;
    const deadline = performance.now() + DRAIN_TIMEOUT;
    for (let before = -1; performance.now() < deadline; ) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      const { spans } = await ask(this.receiver, 'count');
      if (spans === before) return;
      before = spans;
    }
  }

  /** Runs `load` on this way; adds CPU a request in microseconds, and the hops received. */
  async measure(load) {
    const before = await this.usage();
    const result = await load(this.ports.http);
    await this.drained();
    const after = await this.usage();
    const perRequest = (part) => ((after[part] - before[part]) / result.requests) * 1e6;
    return {
      ...result,
      haproxyCpu: perRequest('haproxy'),
      agentCpu: perRequest('agent'),
      receiverCpu: perRequest('receiver'),
      hops: after.hops - before.hops,
      spans: after.spans - before.spans,
      memory: this.agent === undefined ? 0 : residentBytes(this.agent.pid) / 2 ** 20,
    };
  }

  async stop() {
    await this.haproxy.stop();
    if (this.agent !== undefined) await stop(this.agent);
    if (this.receiver !== undefined) await stop(this.receiver.child);
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
 * @param plan.full seconds of each turn at full speed, `plan.fixed` of each at the fixed rate
 * @returns for each way the results of its turns
 */
export async function runChain({ haproxy, floor, names, plan }) {
  const { server, port } = await startServer();
  const ways = [];
  try {
    for (const name of names) ways.push(await Way.start(name, { haproxy, floor, server: port }));
    const results = Object.fromEntries(names.map((name) => [name, { full: [], fixed: [] }]));
    for (const way of ways) await fullSpeed(way.ports.http, plan.warm);
    for (let round = 0; round < plan.rounds; round += 1) {
      for (const way of ways) {
        results[way.name].full.push(await way.measure((at) => fullSpeed(at, plan.full)));
      }
      for (const way of ways.filter(({ name }) => plan.fixedWays.includes(name))) {
        results[way.name].fixed.push(
          await way.measure((at) => fixedRate(at, plan.rate, plan.fixed)),
        );
      }
    }
    return results;
  } finally {
    for (const way of ways) await way.stop();
    await server.stop();
  }
}

export { freePort };
