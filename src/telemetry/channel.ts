import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { TelemetryConfig } from './config.ts';
import type { Command, Report, TelemetryCounts } from './messages.ts';

/** What the thread may take to answer beyond its own limit, in milliseconds. */
const GRACE = 500;

/** The main thread's handle on the telemetry thread. */
export class TelemetryChannel {
  /** Where records are received. */
  readonly records: string;
  private readonly worker: Worker;
  private state: 'running' | 'stopping' = 'running';

  private constructor(worker: Worker, records: string, onDeath: (reason: string) => void) {
    this.worker = worker;
    this.records = records;
    let reason: string | undefined;
    worker.on('error', (error: Error) => {
      reason = error.stack ?? error.message;
    });
    worker.on('exit', (code) => {
      if (this.state === 'running') onDeath(reason ?? `exit code ${code}`);
    });
  }

  /**
   * Starts the thread; resolves when it receives records.
   *
   * @param onDeath called when the thread ends without having been stopped
   * @throws Error when the thread cannot start, with its reason
   */
  static async start(
    config: TelemetryConfig,
    env: Readonly<Record<string, string>>,
    onDeath: (reason: string) => void,
  ): Promise<TelemetryChannel> {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      name: 'telemetry',
      workerData: config,
      env: { ...env },
    });
    const [report] = (await once(worker, 'message')) as [Report];
    if (report.type === 'ready') return new TelemetryChannel(worker, report.records, onDeath);
    await worker.terminate();
    throw new Error(report.type === 'failed' ? report.reason : `unexpected "${report.type}"`);
  }

  /**
   * Reads the record connections to their end and exports what is left.
   *
   * @param limit milliseconds for all of it
   * @returns what the thread did, or undefined when it did not answer within the limit
   */
  async stop(limit: number): Promise<TelemetryCounts | undefined> {
    this.state = 'stopping';
    const answer = once(this.worker, 'message', {
      signal: AbortSignal.timeout(Math.ceil(limit) + GRACE),
    });
    const command: Command = { type: 'stop', limit };
    this.worker.postMessage(command);
    const [report] = (await answer.catch(() => [undefined])) as [Report | undefined];
    await this.worker.terminate();
    return report?.type === 'stopped' ? report : undefined;
  }
}
