import type { Worker } from 'node:worker_threads';
import type { RingConnection } from '../records/receiver.ts';
import type { Reloadable } from './config.ts';
import type { Command, Report, ThreadSockets } from './messages.ts';

/** Asks the telemetry thread, beside the flow of hops: whether it answers, and to change what can be changed. */
export class Control {
  private readonly worker: Worker;
  private readonly pings: (() => void)[] = [];
  private readonly reloads: ((reason: string | undefined) => void)[] = [];

  constructor(worker: Worker) {
    this.worker = worker;
    worker.on('message', (report: Report) => {
      if (report.type === 'pong') this.pings.shift()?.();
      if (report.type === 'reloaded') this.reloads.shift()?.(report.failure);
    });
  }

  /** Resolves when the thread has worked on everything before. */
  ping(): Promise<void> {
    this.command({ type: 'ping' });
    return new Promise((resolve) => this.pings.push(resolve));
  }

  /** @throws Error when the exporter cannot be set up so; nothing is changed then */
  async reload(config: Reloadable): Promise<void> {
    this.command({ type: 'reload', config });
    const failure = await new Promise<string | undefined>((resolve) => this.reloads.push(resolve));
    if (failure !== undefined) throw new Error(failure);
  }

  /** @throws Error where Node does not have their descriptors */
  async sockets(): Promise<ThreadSockets> {
    const sockets = await this.ask({ type: 'sockets' }, (report) =>
      report.type === 'sockets' ? report.sockets : undefined,
    );
    if (typeof sockets === 'string') throw new Error(sockets);
    return sockets;
  }

  /** Listens where another process listened. */
  listen(): void {
    this.command({ type: 'listen' });
  }

  /** Listens and reads no more: the next process does. */
  release(): Promise<readonly RingConnection[]> {
    return this.ask({ type: 'release' }, (report) =>
      report.type === 'released' ? report.connections : undefined,
    );
  }

  /** Reads a connection that another process has read. */
  continue(connection: RingConnection): void {
    this.command({ type: 'continue', connection });
  }

  private ask<T>(command: Command, answer: (report: Report) => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const onReport = (report: Report): void => {
        const value = answer(report);
        if (value === undefined) return;
        this.worker.off('message', onReport);
        resolve(value);
      };
      this.worker.on('message', onReport);
      this.command(command);
    });
  }

  private command(command: Command): void {
    this.worker.postMessage(command);
  }
}
