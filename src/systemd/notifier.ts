import { type ChildProcess, spawn } from 'node:child_process';
import type { Env } from '../settings.ts';

/**
 * One line from the agent is one message: its assignments, with tabs between them. The answer is the exit
 * status. Signals that are meant for the agent must not end the messenger before the agent sends STOPPING.
 */
const SCRIPT = `
trap '' TERM INT HUP USR2
tab=$(printf '\\t')
set -f
while IFS= read -r line; do
    IFS=$tab
    systemd-notify $line </dev/null >/dev/null
    echo $?
done
`;

/**
 * Notifies systemd of the agent's state, as sd_notify(3) has it. Node has no datagram sockets of the unix domain:
 * systemd's own `systemd-notify` sends them. A small shell starts it for each message, because starting
 * a process from Node itself stops the thread for some 10 ms, and requests with it.
 */
export class Notifier {
  private readonly shell: ChildProcess;
  private readonly onFailure: (reason: string) => void;
  private readonly delivering: ((isDelivered: boolean) => void)[] = [];
  private state: 'working' | 'failing' | 'closing' = 'working';

  /** @param onFailure called when a message could not be sent, and again only after one was */
  private constructor(env: Env, socket: string, onFailure: (reason: string) => void) {
    this.onFailure = onFailure;
    this.shell = spawn('/bin/sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: env.PATH, NOTIFY_SOCKET: socket },
    });
    let words = '';
    this.shell.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = text.trim().slice(0, 500);
    });
    this.shell.stdout?.setEncoding('utf8').on('data', (text: string) => {
      for (const status of text.trim().split('\n')) this.delivering.shift()?.(status === '0');
      if (text.trim().split('\n').at(-1) !== '0')
        this.fail(words || `systemd-notify ended with ${text.trim()}`);
      else if (this.state === 'failing') this.state = 'working';
    });
    this.shell.on('error', (error) => this.fail(error.message));
    this.shell.on('exit', (code, signal) => {
      this.fail(`the messenger ended: ${code ?? signal}`);
      for (const settle of this.delivering.splice(0)) settle(false);
    });
    this.shell.stdin?.on('error', (error) => this.fail(error.message));
    // The agent ends when it is done, and the messenger after the last message.
    this.shell.unref();
  }

  /** Undefined without `NOTIFY_SOCKET`. */
  static create(env: Env, onFailure: (reason: string) => void): Notifier | undefined {
    const socket = env.NOTIFY_SOCKET;
    return socket ? new Notifier(env, socket, onFailure) : undefined;
  }

  /** Sends `assignments`, as `READY=1`, in one message; messages arrive in order. */
  send(...assignments: string[]): void {
    void this.deliver(...assignments);
  }

  /** As `send`; resolves with whether systemd has processed the message. */
  deliver(...assignments: string[]): Promise<boolean> {
    const line = assignments.map((assignment) => assignment.replace(/[\t\n]/g, ' ')).join('\t');
    this.shell.stdin?.write(`${line}\n`);
    if (this.shell.exitCode !== null || this.shell.signalCode !== null)
      return Promise.resolve(false);
    return new Promise((resolve) => this.delivering.push(resolve));
  }

  /** Resolves when all messages are sent, or after `limit` milliseconds. */
  async close(limit: number): Promise<void> {
    this.state = 'closing';
    if (this.shell.exitCode !== null || this.shell.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      setTimeout(resolve, limit);
      this.shell.once('exit', () => resolve());
      this.shell.stdin?.end();
    });
  }

  private fail(reason: string): void {
    if (this.state !== 'working') return;
    this.state = 'failing';
    this.onFailure(reason);
  }
}

/** The clock of RELOADING's `MONOTONIC_USEC`, in microseconds. */
export function monotonicMicroseconds(): string {
  return String(process.hrtime.bigint() / 1000n);
}
