import { readFileSync } from 'node:fs';
import { type AgentProcess, until } from '../agent-process.ts';

const FAILED = 'upgrade failed, this agent goes on';

/** How long a process may take to start where everybody wants the processor, in milliseconds. */
const STARTS = 60_000;

/** An agent that is upgraded: one process after the other, all of which log to the first one's pipe. */
export class UpgradingAgent {
  readonly first: AgentProcess;
  pid: number;

  constructor(first: AgentProcess) {
    this.first = first;
    this.pid = Number(first.process.pid);
  }

  /** All that was logged so far with this message. */
  logged(message: string): Record<string, unknown>[] {
    return this.first.logs.filter(({ msg }) => msg === message);
  }

  /** Sends SIGUSR2; resolves when the next process is the agent. */
  async upgrade(): Promise<void> {
    const before = this.logged('handed over').length;
    process.kill(this.pid, 'SIGUSR2');
    await this.follow(before);
  }

  /** Waits for the upgrade behind `before` others. */
  async follow(before: number): Promise<void> {
    const failures = this.logged(FAILED).length;
    const handed = await until(
      'the connections to be handed over',
      () => {
        const failed = this.logged(FAILED)[failures];
        if (failed !== undefined) throw new Error(`upgrade failed: ${failed.reason}`);
        return this.logged('handed over')[before];
      },
      STARTS,
    );
    this.pid = Number(handed.successor);
    await until('the successor to be ready', () =>
      this.logged('ready').some(({ pid }) => pid === this.pid),
    );
  }

  /** Resolves when a process that was upgraded has ended. */
  async ended(pid: number): Promise<void> {
    await until(`process ${pid} to end`, () => !isRunning(pid));
  }

  /** Ends the agent, and a successor that is starting. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const started = this.logged('upgrading').map(({ successor }) => Number(successor));
    for (const pid of new Set([this.pid, ...started])) {
      if (!isRunning(pid)) continue;
      process.kill(pid, signal);
      await this.ended(pid);
    }
  }
}

/** Nobody may have waited for a process whose parent ended: then it is a zombie. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
