import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SHIPPED_ENGINE } from '../haproxy/shipped.ts';
import type { Words } from '../wiring/options.ts';
import { filesOf, wire } from '../wiring/wire.ts';
import { type Ports, SHIPPED_PORTS } from './ports.ts';

/** Where package.json is: `src` and `dist` lie beside each other. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));

const READY_TIMEOUT = 60_000;

export type HaproxyOptions = {
  readonly ports: Ports;
  /** The program, with arguments before HAProxy's own. */
  readonly command?: readonly string[];
  /** Changes the plain configuration before `add` is run on it. */
  readonly site?: (config: string) => string;
  /** Options of `add`, by name. */
  readonly add?: Words;
  /** Changes what `add` made of it. */
  readonly edit?: (config: string) => string;
};

/** A real HAProxy on the plain file with tracing, its ports replaced. */
export class Haproxy {
  readonly process: ChildProcess;
  private readonly folder: string;
  private readonly lines: string[] = [];

  private constructor(process: ChildProcess, folder: string) {
    this.process = process;
    this.folder = folder;
    process.stderr?.setEncoding('utf8').on('data', (text: string) => this.lines.push(text));
    process.stdout?.setEncoding('utf8').on('data', (text: string) => this.lines.push(text));
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** What HAProxy printed. */
  get output(): string {
    return this.lines.join('');
  }

  /** Resolves when HAProxy accepts connections. @throws with HAProxy's own words when it does not start */
  static async start(options: HaproxyOptions): Promise<Haproxy> {
    const folder = mkdtempSync(join(tmpdir(), 'haproxy-otel-'));
    const path = join(folder, 'haproxy.cfg');
    const config = tracedConfig(options, path);
    writeFileSync(path, options.edit?.(config) ?? config);
    const [program = 'haproxy', ...args] = options.command ?? ['haproxy'];
    const child = spawn(program, [...args, '-db', '-f', path], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
    const haproxy = new Haproxy(child, folder);
    const failed = new Promise<never>((_resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) =>
        reject(new Error(`HAProxy ended with ${code}: ${haproxy.output}`)),
      );
    });
    failed.catch(() => {});
    try {
      await Promise.race([accepting(options.ports.http), failed]);
    } catch (error) {
      await haproxy.stop();
      throw error;
    }
    return haproxy;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const exited = once(this.process, 'exit');
      this.process.kill(signal);
      await exited;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The plain file with tracing, as `add` has it. */
function tracedConfig({ ports, site, add = {} }: HaproxyOptions, path: string): string {
  let plain = readFileSync(join(PACKAGE_ROOT, 'haproxy/plain.cfg'), 'latin1');
  for (const [name, port] of Object.entries(ports)) {
    const shipped = SHIPPED_PORTS[name as keyof Ports];
    plain = plain.replaceAll(`127.0.0.1:${shipped}`, `127.0.0.1:@${port}`);
  }
  plain = plain.replaceAll('127.0.0.1:@', '127.0.0.1:');
  const words = {
    tcp: '',
    spop: `127.0.0.1:${ports.spop}`,
    records: `127.0.0.1:${ports.records}`,
    engine: SHIPPED_ENGINE,
    ...add,
  };
  const files = filesOf(new Map([[path, site?.(plain) ?? plain]]));
  // Nothing in the plain file depends on the version of HAProxy.
  const reading = { env: {}, version: undefined, features: undefined };
  return wire(files, words, {}, reading, dirname(path)).texts.get(path) ?? '';
}

async function accepting(port: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT;
  for (;;) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (connected) return;
    if (performance.now() > deadline) throw new Error(`HAProxy does not accept on port ${port}`);
    await pause(20);
  }
}
