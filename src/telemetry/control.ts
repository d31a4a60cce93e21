import type { Worker } from 'node:worker_threads';
import type { Reloadable } from './config.ts';
import type { Command, Report } from './messages.ts';

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

  private command(command: Command): void {
    this.worker.postMessage(command);
  }
}
