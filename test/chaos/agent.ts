import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';
import { until } from '../agent-process.ts';
import { hasConnectionTo, socketsOf } from '../end-to-end/sockets.ts';
import type { AgentTerms } from './account.ts';

const MAIN = join(PACKAGE_ROOT, 'dist/main.js');

/** For what takes a second, on a machine that is busy. Milliseconds. */
export const TIMEOUT = 120_000;

/** As `test/install.sh` unpacks it. */
const FAKETIME = join(
  PACKAGE_ROOT,
  `.cache/faketime/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`,
);

export const HAS_FAKETIME = existsSync(FAKETIME);

/** How an agent is started. */
export type Start = {
  /** Each line that it logs fails for want of room, from `debug` on. */
  readonly fullDisk?: boolean;
  /** A file with what its clock is ahead, as `+3600`. */
  readonly clock?: string;
};

/** What its metrics have, as far as it is needed. */
export type Metrics = {
  readonly terms: Omit<AgentTerms, 'unknown' | 'waiting'>;
  /** Spans that wait or are on their way. */
  readonly queued: number;
};

const NOTHING: AgentTerms = {
  exported: 0,
  refused: 0,
  dropped: 0,
  waiting: 0,
  retries: 0,
  droppedByHaproxy: 0,
  unknown: 0,
};

/** Spans that an agent could not export in time, by its own account, of so many milliseconds before its end. */
export type Waiting = { readonly spans: number; readonly age: number };

/** Milliseconds. */
const POLL = 20;

export type State = 'running' | 'stopped' | 'away';

/** An agent that is killed, stopped and started again, and what it counted in all its lives. */
export class ChaosAgent {
  private now: State = 'away';
  /** When it did not run, by `performance.now()`. */
  private readonly absences: { readonly from: number; until: number }[] = [];
  /** Descriptors of one that has just started and was idle. */
  idleDescriptors = Number.POSITIVE_INFINITY;
  /** What was logged, of all lives. */
  readonly logs: Record<string, unknown>[] = [];
  private readonly env: Readonly<Record<string, string>>;
  private readonly hosts: string | undefined;
  private readonly admin: string;
  private isOpen = false;
  private closed: Promise<unknown> = Promise.resolve();
  /** Of the process itself, or of the one that it handed over to. */
  pid = 0;
  private former = NOTHING;
  private hasLog = true;
  private output = '';

  /** @param hosts a file that stands in the place of /etc/hosts, where that can be done */
  constructor(env: Readonly<Record<string, string>>, admin: number, hosts: string | undefined) {
    this.admin = `127.0.0.1:${admin}`;
    this.env = { ...env, HAPROXY_OTEL_ADMIN: this.admin };
    this.hosts = hosts;
  }

  get state(): State {
    return this.now;
  }

  /** Whether it did not run all the time between. */
  wasAway(from: number, until: number): boolean {
    return this.absences.some((absence) => absence.from <= until && absence.until >= from);
  }

  /** Whether a ring of HAProxy's is connected: one tries once a second. */
  get hasRing(): boolean {
    return hasConnectionTo(this.port('HAPROXY_OTEL_RECORDS'));
  }

  /** Resolves when HAProxy may ask. */
  async start({ fullDisk, clock }: Start = {}): Promise<void> {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/OTEL|NODE_OPTIONS/.test(name),
    );
    const preload = clock && {
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_CACHE_DURATION: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
    const run = [process.execPath, MAIN, 'run'];
    const [program = '', ...args] =
      this.hosts === undefined ? run : [...NAMESPACE, MOUNT, 'sh', this.hosts, ...run];
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', fullDisk ? openSync('/dev/full', 'w') : 'pipe'],
      env: {
        ...Object.fromEntries(inherited),
        ...this.env,
        ...(fullDisk && { OTEL_LOG_LEVEL: 'debug' }),
        ...preload,
      },
    });
    this.pid = child.pid ?? 0;
    // Whoever has its standard error, a successor too, has ended then.
    this.isOpen = true;
    this.closed = once(child, 'close').then(() => {
      this.isOpen = false;
      this.become('away');
    });
    this.hasLog = !fullDisk;
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('{')) this.logs.push(JSON.parse(line));
        else this.output += `${line}\n`;
      }
    });
    await until(
      'an agent to be ready',
      async () => {
        if (child.exitCode !== null) throw new Error(`an agent ended: ${this.output}`);
        return (await this.ask('/readyz'))?.ok;
      },
      TIMEOUT,
    );
    this.become('running');
    this.idleDescriptors = Math.min(this.idleDescriptors, this.descriptors().length);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
    if (signal === 'SIGSTOP') this.become('stopped');
    if (signal === 'SIGCONT') this.become('running');
  }

  /** It hands over to a successor, and ends. */
  async upgrade(): Promise<Waiting> {
    const { length } = this.logs;
    const later = (message: string): Record<string, unknown> | undefined =>
      this.logs.slice(length).find(({ msg }) => String(msg).startsWith(message));
    process.kill(this.pid, 'SIGUSR2');
    const ready = await until('the successor', () => later('ready'), TIMEOUT);
    const last = await until('the former agent to end', () => later('stopped'), TIMEOUT);
    this.pid = Number(ready.pid);
    return this.addLast(last);
  }

  async stop(): Promise<Waiting> {
    let metrics = await this.metrics();
    const ended = this.end('SIGTERM');
    // What has no log has metrics until its end.
    while (!this.hasLog && this.isOpen) {
      metrics = await this.metrics().catch(() => metrics);
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
    await ended;
    const last = this.logs.at(-1);
    if (this.hasLog && last?.spans !== undefined) return this.addLast(last);
    this.add({ ...metrics.terms, waiting: metrics.queued, unknown: 1 });
    return { spans: metrics.queued, age: POLL };
  }

  /** @returns spans that it had, a moment before */
  async kill(): Promise<number> {
    const { terms, queued } = await this.metrics();
    await this.end('SIGKILL');
    this.add({ ...terms, waiting: 0, unknown: 1 });
    return queued;
  }

  async metrics(): Promise<Metrics> {
    const text = await (await this.ask('/metrics'))?.text();
    if (text === undefined) throw new Error('an agent that runs has no metrics');
    const read = (name: string): number =>
      Number(new RegExp(`^haproxy_otel_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    return {
      terms: {
        exported: read('spans_exported_total'),
        refused: read('spans_dropped_total{reason="refused"}'),
        dropped: read('spans_dropped_total{reason="queue_full"}'),
        retries: read('export_retries_total'),
        droppedByHaproxy: read('records_dropped_by_haproxy_total'),
      },
      queued: read('spans_queued'),
    };
  }

  /** Of all lives. */
  async terms(): Promise<AgentTerms> {
    if (this.state === 'away') return this.former;
    return sum(this.former, { ...(await this.metrics()).terms, waiting: 0, unknown: 0 });
  }

  /** What its open descriptors are, without connections of SPOP, of which HAProxy has as many as it likes. */
  descriptors(): string[] {
    const folder = `/proc/${this.pid}/fd`;
    const ofSpop = socketsOf(this.port('HAPROXY_OTEL_SPOP'));
    return readdirSync(folder).flatMap((fd) => {
      try {
        const name = readlinkSync(join(folder, fd));
        return ofSpop.has(name) ? [] : [name];
      } catch {
        return [];
      }
    });
  }

  /** MiB. */
  residentMemory(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  private port(setting: string): number {
    return Number(this.env[setting]?.split(':').at(-1));
  }

  private become(state: State): void {
    const now = performance.now();
    const last = this.absences.at(-1);
    if (state === 'running' && last !== undefined) last.until = Math.min(last.until, now);
    if (state !== 'running' && this.now === 'running') {
      this.absences.push({ from: now, until: Number.POSITIVE_INFINITY });
    }
    this.now = state;
  }

  private async ask(path: string): Promise<Response | undefined> {
    return fetch(`http://${this.admin}${path}`, { signal: AbortSignal.timeout(TIMEOUT) }).catch(
      () => undefined,
    );
  }

  /** Without any account. */
  async abandon(): Promise<void> {
    await this.end('SIGKILL');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    this.become('away');
    if (!this.isOpen) return;
    process.kill(this.pid, 'SIGCONT');
    process.kill(this.pid, signal);
    await this.closed;
  }

  private addLast(line: Record<string, unknown>): Waiting {
    const { spans, records, account_age } = line as LastLine;
    // With an age it is what the agent had counted some time before.
    const unknown = account_age === undefined ? 0 : 1;
    this.add({ ...spans, droppedByHaproxy: records.droppedByHaproxy, unknown });
    return { spans: spans.waiting, age: account_age ?? 0 };
  }

  private add(life: AgentTerms): void {
    this.former = sum(this.former, life);
  }
}

type LastLine = {
  readonly spans: Omit<AgentTerms, 'droppedByHaproxy' | 'unknown'>;
  readonly records: { readonly droppedByHaproxy: number };
  readonly account_age?: number;
};

/** A hosts file of its own: whoever is root may, and whoever may be root in a namespace. */
export const NAMESPACE = [
  'unshare',
  '--mount',
  ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
  'sh',
  '-c',
] as const;
const MOUNT = 'mount --bind "$1" /etc/hosts && shift && exec "$@"';

function sum(a: AgentTerms, b: AgentTerms, sign = 1): AgentTerms {
  const names = Object.keys(NOTHING) as (keyof AgentTerms)[];
  return Object.fromEntries(
    names.map((name) => [name, a[name] + sign * b[name]]),
  ) as unknown as AgentTerms;
}

/** Of one episode, where `before` was counted when it began. */
export function since(before: AgentTerms, now: AgentTerms): AgentTerms {
  return sum(now, before, -1);
}
