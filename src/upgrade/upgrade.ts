import type { Socket } from 'node:net';
import { errorText } from '../error-text.ts';
import type { Logger } from '../log.ts';
import type { Env } from '../settings.ts';
import type { HandedOver, ListenerSockets } from './messages.ts';
import { Successor } from './successor.ts';

/** The running agent, as far as an upgrade needs it. */
export type Upgradable = {
  /** What it listens on. */
  readonly listenerSockets: () => Promise<readonly ListenerSockets[]>;
  /** Listens no more, and sends each connection; returns how many. */
  readonly handOver: (
    send: (connection: HandedOver, socket: Socket | number) => Promise<void>,
  ) => Promise<{ readonly spop: number; readonly records: number }>;
};

export type UpgradeOptions = {
  /** With which this process was started. */
  readonly env: Env;
  /** Descriptors of sockets that systemd opened. */
  readonly systemd: readonly number[];
  readonly log: Logger;
  /** Has this process end, and export what it has; `isOrderly` is whether all is handed over. */
  readonly end: (isOrderly: boolean) => void;
};

/** Replaces this process by a new one, so that nobody notices. */
export class Upgrade {
  private readonly options: UpgradeOptions;
  private state: 'starting' | 'idle' | 'upgrading' | 'handing over' | 'over' = 'starting';
  private agent: Upgradable | undefined;
  private successor: Successor | undefined;
  /** Came while connections were handed over. */
  private signal: NodeJS.Signals | undefined;

  constructor(options: UpgradeOptions) {
    this.options = options;
  }

  /** From now on there is something to hand over. */
  started(agent: Upgradable): void {
    this.agent = agent;
    this.state = 'idle';
  }

  request(): void {
    const { agent, state } = this;
    if (state === 'idle' && agent !== undefined) void this.run(agent);
    else this.options.log.warn({ state }, 'SIGUSR2 is ignored: no upgrade can start now');
  }

  /**
   * The agent is to end.
   *
   * @returns whether the successor gets the signal instead: it has part of the connections already
   */
  stop(signal: NodeJS.Signals): boolean {
    if (this.state === 'handing over') {
      this.signal = signal;
      return true;
    }
    this.state = 'over';
    this.successor?.abandon();
    return false;
  }

  private async run(agent: Upgradable): Promise<void> {
    const { log, end } = this.options;
    this.state = 'upgrading';
    const successor = await this.start(agent);
    if (successor === undefined) return;
    this.state = 'handing over';
    const started = performance.now();
    try {
      await successor.takeOver();
      const connections = await agent.handOver((connection, socket) =>
        successor.connection(connection, socket),
      );
      await successor.done();
      const milliseconds = Math.round(performance.now() - started);
      log.info({ successor: successor.pid, connections, milliseconds }, 'handed over');
    } catch (error) {
      this.state = 'over';
      successor.abandon();
      log.fatal({ err: error }, 'the successor failed while connections were handed over');
      end(false);
      return;
    }
    this.state = 'over';
    if (this.signal !== undefined) successor.kill(this.signal);
    end(true);
  }

  /** Whether the agent was stopped meanwhile. */
  private isOver(): boolean {
    return this.state === 'over';
  }

  /** @returns undefined where everything stays as it was */
  private async start(agent: Upgradable): Promise<Successor | undefined> {
    const { env, systemd, log } = this.options;
    try {
      if (process.pid === 1) throw new Error('this agent is process 1: its container ends with it');
      const sockets = await agent.listenerSockets();
      if (this.isOver()) return undefined;
      this.successor = new Successor(env, systemd, sockets);
      await this.successor.started();
      log.info({ successor: this.successor.pid }, 'upgrading');
      await this.successor.ready();
      return this.isOver() ? undefined : this.successor;
    } catch (error) {
      if (this.isOver()) return undefined;
      this.successor?.abandon();
      this.successor = undefined;
      this.state = 'idle';
      const reason = errorText(error);
      log.error({ reason }, 'upgrade failed, this agent goes on');
      return undefined;
    }
  }
}
