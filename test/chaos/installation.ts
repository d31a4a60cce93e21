import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Haproxy } from '../../src/demo/haproxy.ts';
import { freePort, freePorts, type Ports } from '../../src/demo/ports.ts';
import { HAPROXY } from '../end-to-end/chain.ts';
import { Account } from './account.ts';
import { ChaosAgent, NAMESPACE } from './agent.ts';
import { Clients, WORKER } from './clients.ts';
import { Origin } from './origin.ts';
import { Random } from './random.ts';
import { ChaosReceiver } from './receiver.ts';

/** Where the receiver may be: names of the agents' hosts file lead to one of them. */
export const ADDRESSES = ['127.0.0.1', '127.0.0.2'] as const;

/** Its name, where agents have a hosts file of their own. */
const RECEIVER = 'collector.chaos';

const CAN_HAVE_HOSTS = spawnSync(NAMESPACE[0], [...NAMESPACE.slice(1), 'true']).status === 0;

/** Small enough to be full in some episodes. */
const QUEUE_SPANS = 4_000;

/** HAProxy in master-worker mode on what `add` writes, two agents, of which one gets the records, and what is around them. */
export class Installation {
  account = new Account();
  readonly ports: Ports;
  readonly folder: string;
  readonly receiver: ChaosReceiver;
  readonly agent: ChaosAgent;
  readonly second: ChaosAgent;
  readonly clients: Clients;
  /** A file with what the clocks of some agents are ahead. */
  readonly clock: string;
  readonly hosts: string | undefined;
  haproxy: Haproxy | undefined;
  /** Requests a second, of the episode. */
  rate = 0;
  private readonly delay = monitorEventLoopDelay({ resolution: 5 });
  private readonly secondSpop: number;
  private origin: Origin | undefined;

  private constructor(ports: Ports, spare: readonly number[]) {
    const [receiver = 0, secondSpop = 0, secondRecords = 0, secondAdmin = 0] = spare;
    this.ports = ports;
    this.secondSpop = secondSpop;
    this.folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-chaos-'));
    this.clock = join(this.folder, 'clock');
    this.hosts = CAN_HAVE_HOSTS ? join(this.folder, 'hosts') : undefined;
    this.resolveTo(ADDRESSES[0]);
    this.receiver = new ChaosReceiver(receiver, {
      accept: (spans) => this.account.accept(spans),
      refuseForNow: () => this.account.refuseForNow(),
      refuse: (spans) => this.account.refuse(spans),
    });
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${this.hosts ? RECEIVER : ADDRESSES[0]}:${receiver}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_BSP_MAX_QUEUE_SIZE: String(QUEUE_SPANS),
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '100',
      HAPROXY_OTEL_STOP_TIMEOUT: '10000',
    };
    const listening = (spop: number, records: number): Record<string, string> => ({
      ...env,
      HAPROXY_OTEL_SPOP: `127.0.0.1:${spop}`,
      HAPROXY_OTEL_RECORDS: `127.0.0.1:${records}`,
    });
    this.agent = new ChaosAgent(listening(ports.spop, ports.records), ports.admin, this.hosts);
    this.second = new ChaosAgent(listening(secondSpop, secondRecords), secondAdmin, this.hosts);
    this.clients = new Clients(ports.http, this.account, new Random(0));
  }

  /** How late this machine runs a process at most, in this episode so far, in milliseconds. */
  get lateness(): number {
    return this.delay.max / 1e6;
  }

  begin(rate: number, account: Account): void {
    this.account = account;
    this.rate = rate;
    this.delay.reset();
    this.delay.enable();
  }

  static async start(): Promise<Installation> {
    const ports = await freePorts();
    const spare = [await freePort(), await freePort(), await freePort(), await freePort()];
    const installation = new Installation(ports, spare);
    try {
      installation.origin = await Origin.start(ports.server, (path, traceparent) =>
        installation.account.atServer(path, traceparent),
      );
      await installation.receiver.listen();
      await Promise.all([installation.agent.start(), installation.second.start()]);
      await installation.startHaproxy();
      return installation;
    } catch (error) {
      await installation.stop();
      throw error;
    }
  }

  async startHaproxy(): Promise<void> {
    const socket = join(this.folder, 'stats.sock');
    this.haproxy = await Haproxy.start({
      ports: this.ports,
      command: [HAPROXY, '-W'],
      site: (config) =>
        config
          .replace('global\n', `global\n    stats socket ${socket} mode 600 expose-fd listeners\n`)
          .replace('{ path /refused }', '{ path_beg /refused/ }')
          .replace('frontend www\n', `$&    http-after-response set-header ${WORKER} %pid\n`)
          // This makes no claim about a busy machine.
          .replaceAll(/timeout (server|client|connect|http-request) \d+s/g, 'timeout $1 60s'),
      edit: (config) =>
        config.replace(
          / {4}server agent 127\.0\.0\.1:\d+ (check.*)\n/,
          (line, check) => `${line}    server agent2 127.0.0.1:${this.secondSpop} ${check}\n`,
        ),
    });
  }

  /** Where the receiver's name leads to. */
  resolveTo(address: string): void {
    if (this.hosts !== undefined) {
      // In place: what is mounted over /etc/hosts is this file, not its name.
      writeFileSync(this.hosts, `127.0.0.1 localhost\n${address} ${RECEIVER}\n`);
    }
  }

  setClock(ahead: number): void {
    writeFileSync(this.clock, `${ahead < 0 ? '' : '+'}${ahead}\n`);
  }

  /** What the agents and HAProxy logged that may explain a violation. @param since as logs have it */
  warnings(since: string): string[] {
    const lines = Object.entries({ agent: this.agent, 'second agent': this.second }).flatMap(
      ([name, { logs }]) =>
        logs
          .filter(({ time, level }) => String(time) >= since && level !== 'debug')
          .map((line) => `${name}: ${JSON.stringify(line).slice(0, 400)}`),
    );
    return [...lines, this.haproxy?.output.slice(-2_000) ?? ''];
  }

  async stop(): Promise<void> {
    this.delay.disable();
    this.clients.close();
    await this.haproxy?.stop();
    await Promise.all([this.agent.abandon(), this.second.abandon()]);
    await this.receiver.leave();
    await this.origin?.stop();
    rmSync(this.folder, { recursive: true });
  }
}
