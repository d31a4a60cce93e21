// A load generator, HAProxy, an agent, a server and an OTLP receiver on one machine, with and without tracing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Haproxy } from '../dist/demo/haproxy.js';
import { freePorts } from '../dist/demo/ports.js';
import { agentAccount, conservation, requestsSeen } from './accounts.mjs';
import { THIS } from './builds.mjs';
import {
  ASKING_ENGINE,
  asking,
  DECIDING_ENGINE,
  deciding,
  server,
  untraced,
} from './configurations.mjs';
import {
  ask,
  cpuSeconds,
  residentMemory,
  startAgent,
  startProgram,
  startScript,
  stop,
} from './processes.mjs';
import { WAYS } from './ways.mjs';

/** The timeout for the agent to export everything after a turn, in milliseconds. */
const DRAIN_TIMEOUT = 60_000;
const DRAIN_STEP = 100;
/** So many steps without a span are the end: of a turn of which each hop is expected, and of any other. */
const STILL_LONG = 200;
const STILL = 6;

const NOTHING = { records: 0, droppedByHaproxy: 0, droppedByAgent: 0 };

/** One way to trace, running: an HAProxy of its own, and an agent and a receiver where it has them. */
export class Way {
  /**
   * @param older the older build, for the ways that need it
   * @returns undefined where the build does not have this way
   */
  static async start(name, { haproxy, floor, server: serverPort, older }) {
    const way = new Way();
    const spec = WAYS[name];
    const build = spec.older === true ? older : THIS;
    const ports = { ...(await freePorts()), server: serverPort };
    way.name = name;
    way.counts = spec.counts;
    way.port = ports.http;
    way.adminPort = ports.admin;
    way.folder = mkdtempSync(join(tmpdir(), 'bench-'));
    way.statsSocket = join(way.folder, 'stats');
    const config = way.configure(spec, build, ports, haproxy);
    if (config === undefined) {
      rmSync(way.folder, { recursive: true });
      return undefined;
    }
    if (spec.agent !== undefined) way.agent = await startFloor(spec.agent, floor, ports.spop);
    if (spec.wiring === undefined) {
      way.receiver = await startScript('receiver.mjs');
      const { child } = await startAgent(
        {
          HAPROXY_OTEL_SPOP: way.spop,
          HAPROXY_OTEL_RECORDS: way.records,
          HAPROXY_OTEL_ADMIN: `127.0.0.1:${ports.admin}`,
          OTEL_EXPORTER_OTLP_ENDPOINT: way.receiver.hello.endpoint,
          OTEL_BSP_SCHEDULE_DELAY: '200',
          ...spec.env,
        },
        [],
        build.main,
      );
      way.agent = child;
    }
    const { Haproxy: OfBuild } = await build.import('dist/demo/haproxy.js');
    way.haproxy = await OfBuild.start({ ports, command: [haproxy], edit: config });
    return way;
  }

  /** Decides where the agent listens; returns what becomes of the example's configuration. */
  configure({ wiring, add, spop }, build, ports, haproxy) {
    const { folder, statsSocket } = this;
    const plain = untraced(ports, statsSocket);
    this.spop = addressOf(spop, folder, ports.spop);
    this.records = `127.0.0.1:${ports.records}`;
    if (wiring === 'none') return () => plain;
    const engine = join(folder, 'engine.conf');
    if (wiring === 'asking') {
      writeFileSync(engine, ASKING_ENGINE);
      return () => asking(plain, ports, engine);
    }
    if (wiring === 'deciding') {
      writeFileSync(engine, DECIDING_ENGINE);
      return () => deciding(plain, ports, engine);
    }
    if (!build.hasAdd) {
      const global = `global\n    nbthread 1\n    no log\n    stats socket ${statsSocket}\n`;
      return (example) => example.replace(/^global\n/m, global);
    }
    const addresses = ['--spop', this.spop, '--records', this.records];
    const text = build.add(folder, plain, haproxy, [...addresses, ...(add ?? [])]);
    return text && (() => text);
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

  /** The agent's own: to be read outside of what is measured, as it takes the agent some milliseconds. */
  account() {
    return this.receiver === undefined ? NOTHING : agentAccount(this.adminPort);
  }

  /** Waits until all that came of a turn has been received, or nothing more comes. */
  async drained(before, accountBefore) {
    if (this.receiver === undefined) return;
    const deadline = performance.now() + DRAIN_TIMEOUT;
    let last = before.spans;
    for (let still = 0; performance.now() < deadline; ) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP));
      const { spans, hops } = await ask(this.receiver, 'count');
      still = spans === last ? still + 1 : 0;
      last = spans;
      if (still >= STILL_LONG || (this.counts === undefined && still >= STILL)) return;
      const seen = (await requestsSeen(this.statsSocket)) - before.seen;
      if (this.counts === 'exported' && hops - before.hops >= seen) return;
      if (still % STILL !== STILL - 1) continue;
      const account = change(accountBefore, await this.account());
      const used = { ...account, seen, hops: hops - before.hops };
      if (conservation(accountOf(this.counts, used)).unaccounted <= 0) return;
    }
  }

  /** Runs `load` on this way; adds CPU a request in microseconds, hops, and the agent's memory in MiB. */
  async measure(load) {
    const accountBefore = await this.account();
    const before = await this.usage();
    const result = await load(this.port);
    await this.drained(before, accountBefore);
    const after = await this.usage();
    const used = { ...change(before, after), ...change(accountBefore, await this.account()) };
    const cpu = (part) => (used[part] / result.requests) * 1e6;
    const account = accountOf(this.counts, used);
    return {
      ...result,
      haproxyCpu: cpu('haproxy'),
      agentCpu: cpu('agent'),
      receiverCpu: cpu('receiver'),
      hops: used.hops,
      records: used.records,
      ...account,
      unaccounted: conservation(account).unaccounted,
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

/** An agent of constants: `source` is one of this folder, `compiled` what was made of that in C. */
function startFloor(source, compiled, port) {
  const program = source.endsWith('.c')
    ? [compiled]
    : [process.execPath, fileURLToPath(new URL(source, import.meta.url))];
  const [command, ...args] = [...program, String(port)];
  return startProgram(command, args);
}

function change(before, after) {
  return Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - before[name]]),
  );
}

/**
 * In hops, each of which has two spans where they are counted; of ways of which nothing is counted all is where it
 * was seen.
 */
function accountOf(counts, { seen, hops, records, droppedByHaproxy, droppedByAgent }) {
  switch (counts) {
    case 'exported':
      return {
        seen,
        arrived: hops,
        droppedByHaproxy,
        droppedByAgent: Math.ceil(droppedByAgent / 2),
      };
    case 'recorded':
      return { seen, arrived: records, droppedByHaproxy, droppedByAgent: 0 };
    default:
      return { seen, arrived: seen, droppedByHaproxy: 0, droppedByAgent: 0 };
  }
}

function addressOf(socket, folder, port) {
  if (socket === 'unix') return `unix:${folder}/${port}`;
  if (socket === 'abstract') return `abns@otel-bench-${process.pid}-${port}`;
  return `127.0.0.1:${port}`;
}

export async function startServer() {
  const ports = await freePorts();
  const haproxy = await Haproxy.start({ ports, edit: () => server(ports) });
  return { server: haproxy, port: ports.http };
}
