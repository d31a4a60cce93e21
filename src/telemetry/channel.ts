import { Worker } from 'node:worker_threads';
import type { TelemetryConfig } from './config.ts';
import type { Command, Report, TelemetryCounts } from './messages.ts';

/** The main thread's handle on the telemetry thread. */
export class TelemetryChannel {
  /** Where records are received. */
  readonly records: string;
  private readonly worker: Worker;
  private stopping = false;

  private constructor(worker: Worker, records: string, onDeath: (reason: string) => void) {
    this.worker = worker;
    this.records = records;
    worker.removeAllListeners();
    let reason: string | undefined;
    worker.on('error', (error: Error) => {
      reason = error.stack ?? error.message;
    });
    worker.on('exit', (code) => {
      if (!this.stopping) onDeath(reason ?? `exit code ${code}`);
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
    const records = await new Promise<string>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`telemetry thread ended with ${code}`)));
      worker.once('message', (message: Report) => {
        if (message.type === 'ready') resolve(message.records);
        else reject(new Error(message.type === 'failed' ? message.reason : message.type));
      });
    }).catch(async (error: unknown) => {
      await worker.terminate();
      throw error;
    });
    return new TelemetryChannel(worker, records, onDeath);
  }

  /**
   * Reads the record connections to their end and exports what is left.
   *
   * @param limit milliseconds for all of it
   * @returns what the thread did, or undefined when it did not answer within the limit
   */
  async stop(limit: number): Promise<TelemetryCounts | undefined> {
    this.stopping = true;
    const counts = await new Promise<TelemetryCounts | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), limit + GRACE);
      this.worker.once('message', (message: Report) => {
        clearTimeout(timer);
        resolve(message.type === 'stopped' ? message : undefined);
      });
      const command: Command = { type: 'stop', limit };
      this.worker.postMessage(command);
    });
    await this.worker.terminate();
    return counts;
  }
}

/** What the thread may take to answer beyond its own limit, in milliseconds. */
const GRACE = 500;
