import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../src/demo/haproxy.ts';

/** What the tests wait for comes in milliseconds; this is for a machine that is busy. */
const TIMEOUT = 60_000;

/** Waits until `condition` returns something; fails with `what` when it does not in time. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  patience = TIMEOUT,
): Promise<T> {
  const deadline = performance.now() + patience;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The agent as a process of its own: the built command. */
export class AgentProcess {
  readonly process: ChildProcess;
  readonly logs: Record<string, unknown>[] = [];
  /** What it printed beside its log. */
  output = '';
  private rest = '';
  /** It ended, and all that it printed was read: its last lines may come behind its end. */
  private isClosed = false;
  private readonly closed: Promise<void>;

  private constructor(process: ChildProcess) {
    this.process = process;
    this.closed = new Promise((resolve) => {
      process.once('close', () => {
        this.isClosed = true;
        resolve();
      });
    });
    process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.rest + text).split('\n');
      this.rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('{')) this.logs.push(JSON.parse(line));
        else this.output += `${line}\n`;
      }
    });
  }

  /**
   * Starts it without waiting for anything.
   *
   * @param descriptors sockets to hand over as systemd does, in the order of `LISTEN_FDNAMES`
   */
  static spawn(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    descriptors: readonly number[] = [],
  ): AgentProcess {
    const main = join(PACKAGE_ROOT, 'dist/main.js');
    const inherited = Object.entries(process.env).filter(([name]) => !/OTEL/.test(name));
    const listen = descriptors.length > 0 ? `LISTEN_PID=$$ LISTEN_FDS=${descriptors.length}` : '';
    return new AgentProcess(
      spawn('sh', ['-c', `${listen} exec "$@"`, 'sh', process.execPath, main, ...args], {
        stdio: ['ignore', 'pipe', 'pipe', ...descriptors],
        // Any number of agents at a time: none listens on the shipped port unless a test wants it to.
        env: { ...Object.fromEntries(inherited), HAPROXY_OTEL_ADMIN: 'off', ...env },
      }),
    );
  }

  /** Starts it and waits until it is ready. */
  static async start(
    env: Readonly<Record<string, string>>,
    descriptors: readonly number[] = [],
  ): Promise<AgentProcess> {
    const agent = AgentProcess.spawn(['run'], env, descriptors);
    try {
      await until('the agent to be ready', () => {
        return agent.logged('ready') ?? agent.isClosed;
      });
      if (agent.logged('ready') === undefined) throw new Error(`the agent ended: ${agent.output}`);
    } catch (error) {
      agent.process.kill('SIGKILL');
      throw error;
    }
    return agent;
  }

  /** The first log line with this message. */
  logged(message: string): Record<string, unknown> | undefined {
    return this.logs.find(({ msg }) => msg === message);
  }

  /** Sends the signal if it still runs; resolves as `exited` does, and after SIGKILL as soon as it ended. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const exited = once(this.process, 'exit');
      this.process.kill(signal);
      await exited;
    }
    return signal === 'SIGKILL' ? this.process.exitCode : this.exited();
  }

  /** Resolves with its exit code when all that it and its successors logged and printed was read. */
  async exited(): Promise<number | null> {
    await this.closed;
    return this.process.exitCode;
  }
}
