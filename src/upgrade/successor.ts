import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { type Sendable, sendable } from '../descriptors.ts';
import type { InheritedSocket } from '../listen-address.ts';
import type { Env } from '../settings.ts';
import {
  type FromSuccessor,
  type HandedOver,
  type ListenerSockets,
  SOCKETS_VARIABLE,
  type ToSuccessor,
} from './messages.ts';

/** The timeout for each step of a successor, in milliseconds: as long as systemd's unit grants for a start. */
const STEP_TIMEOUT = 30_000;

/** Behind standard input, output and error, where systemd's sockets begin. */
const FIRST = 3;

/**
 * Starts the process and leaves it to init: systemd waits for the end of a main process that is its own child, and
 * kills any other as soon as the service is to stop.
 */
const LAUNCH = '"$@" &';

/** The process that is to be the agent after this one, from this one's side. */
export class Successor {
  /** Undefined until it runs. */
  pid: number | undefined;
  private readonly child: ChildProcess;
  /** Why it will not be the agent. */
  private end: string | undefined;
  private waiting:
    | { type: string; resolve: () => void; reject: (error: Error) => void }
    | undefined;

  /**
   * Starts the same executable with the same arguments.
   *
   * @param env with which this process was started
   * @param systemd descriptors of sockets that systemd opened: they have the same numbers, as those do that are set
   *   so (`fd:N`)
   * @param listeners whose sockets it inherits
   */
  constructor(env: Env, systemd: readonly number[], listeners: readonly ListenerSockets[]) {
    const set = listeners.filter(({ address }) => address.startsWith('fd:'));
    const numbered = [...systemd, ...set.flatMap(({ sockets }) => sockets.map(({ fd }) => fd))];
    const others = listeners.filter((each) => !set.includes(each));
    const { stdio, inherited } = arrange(numbered, others);
    const { LISTEN_PID: _, WATCHDOG_PID: __, LISTEN_FDS, ...rest } = env;
    const activation = systemd.length > 0 ? { LISTEN_FDS } : {};
    const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
    this.child = spawn('/bin/sh', ['-c', LAUNCH, 'sh', ...command], {
      stdio: ['inherit', 'inherit', 'inherit', ...stdio, 'ipc'],
      serialization: 'advanced',
      env: { ...rest, ...activation, [SOCKETS_VARIABLE]: JSON.stringify(inherited) },
    });
    this.child.once('error', (error) => this.ended(error.message));
    this.child.once('disconnect', () => this.ended('it ended'));
    this.child.on('message', (message: FromSuccessor) => {
      if (message.type === 'failed') this.ended(message.reason);
      if (message.type === 'started') this.pid = message.pid;
      if (message.type === this.waiting?.type) this.waiting.resolve();
    });
  }

  /** Resolves when it runs. @throws Error with the reason why it does not */
  started(): Promise<void> {
    return this.answer('started');
  }

  /** Resolves when it could be the agent. @throws Error with the reason why it could not */
  ready(): Promise<void> {
    return this.answer('ready');
  }

  /** Resolves when it listens. @throws Error when it ended */
  takeOver(): Promise<void> {
    this.send({ type: 'take over' });
    return this.answer('listening');
  }

  /**
   * Resolves when it reads the connection.
   *
   * @param socket of this thread, or the descriptor of one of another thread
   * @throws Error when it ended
   */
  connection(connection: HandedOver, socket: Socket | number): Promise<void> {
    this.send({ type: 'connection', connection }, sendable(socket));
    return this.answer('adopted');
  }

  /** Resolves when it is the agent, and this process may end. @throws Error when it ended */
  async done(): Promise<void> {
    this.send({ type: 'end' });
    await this.answer('done');
    this.child.removeAllListeners('disconnect').disconnect();
  }

  /** It is not to be the agent: without its predecessor it ends before it is ready. */
  abandon(): void {
    this.kill('SIGKILL');
    if (this.child.connected) this.child.disconnect();
  }

  kill(signal: NodeJS.Signals): void {
    if (this.pid === undefined) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It has ended.
    }
  }

  private send(message: ToSuccessor, handle?: Sendable): void {
    // The answer confirms whether it arrived.
    this.child.send(message, handle, {}, () => {});
  }

  private async answer(type: FromSuccessor['type']): Promise<void> {
    const timer = setTimeout(() => {
      this.ended(`it is not ${type} within ${STEP_TIMEOUT / 1000} s`);
    }, STEP_TIMEOUT);
    try {
      if (this.end !== undefined) throw new Error(this.end);
      await new Promise<void>((resolve, reject) => {
        this.waiting = { type, resolve, reject };
      });
    } finally {
      clearTimeout(timer);
      this.waiting = undefined;
    }
  }

  private ended(reason: string): void {
    this.end ??= reason;
    this.waiting?.reject(new Error(this.end));
  }
}

/** Each socket at a descriptor of the child's. */
function arrange(
  numbered: readonly number[],
  listeners: readonly ListenerSockets[],
): { stdio: (number | 'ignore')[]; inherited: ListenerSockets[] } {
  const length = Math.max(FIRST, ...numbered.map((fd) => fd + 1)) - FIRST;
  const stdio = Array.from({ length }, (_, index) =>
    numbered.includes(FIRST + index) ? FIRST + index : ('ignore' as const),
  );
  const place = (socket: InheritedSocket): InheritedSocket => {
    const fd = FIRST + stdio.push(socket.fd) - 1;
    return { ...socket, fd };
  };
  const inherited = listeners.map((each) => ({ ...each, sockets: each.sockets.map(place) }));
  return { stdio, inherited };
}
