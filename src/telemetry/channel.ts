import { on } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { MintNumbers } from '../admin/mint-numbers.ts';
import type { TelemetryConfig } from './config.ts';
import { Control } from './control.ts';
import type { Command, Report, TelemetryCounts, WorkerData } from './messages.ts';

/** What the thread may take to answer beyond its own limit, in milliseconds. */
const GRACE = 500;

/**
 * Megabytes. V8 counts buffers to the heap, and its first limit follows what survives, which is next to nothing
 * here: with that limit, the batches alone have it collect the whole heap several times a second.
 */
const HEAP_BEFORE_COLLECTION = 24;

/** Megabytes. What is made of a record outlives nothing: more room would be more memory, and no less work. */
const YOUNG_GENERATION = 24;

/** The main thread's handle on the telemetry thread, from its start on. */
export class TelemetryChannel {
  /** Resolves with where records are received, which wait there until `ready`; rejects when that cannot be. */
  readonly listening: Promise<string>;
  /**
   * Resolves when records are worked on, with where the admin listener is, if there is one; rejects when that or
   * the exporter cannot be set up.
   */
  readonly ready: Promise<string | undefined>;
  /** Resolves with why, when the thread ends without having been stopped. */
  readonly died: Promise<string>;
  readonly control: Control;
  /** What the mint thread tells the admin listener, if there is one. */
  readonly mintNumbers: MintNumbers | undefined;
  private readonly worker: Worker;
  private state: 'running' | 'failed' | 'stopping' | 'ended' = 'running';

  /** Starts the thread, which takes its time: there is no need to wait for it. */
  constructor(config: TelemetryConfig, env: Readonly<Record<string, string>>, isSuccessor = false) {
    this.mintNumbers = config.admin === undefined ? undefined : new MintNumbers();
    setFlagsFromString(`--initial-old-space-size=${HEAP_BEFORE_COLLECTION}`);
    const workerData: WorkerData = { config, mint: this.mintNumbers?.shared, isSuccessor };
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      name: 'telemetry',
      workerData,
      env: { ...env },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
    });
    this.worker = worker;
    this.control = new Control(worker);
    const told = <T>(take: (report: Report) => T | undefined): Promise<T> =>
      new Promise((resolve, reject) => {
        worker.on('message', (report: Report) => {
          const value = take(report);
          if (value !== undefined) resolve(value);
          if (report.type === 'failed') reject(new Error(report.reason));
        });
        worker.once('error', reject);
      });
    this.listening = told((report) => (report.type === 'listening' ? report.records : undefined));
    this.ready = told((report) => (report.type === 'ready' ? report : undefined)).then(
      ({ admin }) => admin,
    );
    // Whoever starts the agent asks; there may be another reason not to before.
    this.listening.catch(() => {});
    this.ready.catch(() => {});
    worker.on('message', (report: Report) => {
      if (report.type === 'failed') this.state = 'failed';
    });
    let reason: string | undefined;
    worker.on('error', (error: Error) => {
      reason = error.stack ?? error.message;
    });
    this.died = new Promise((resolve) => {
      worker.on('exit', (code) => {
        if (this.state === 'running') resolve(reason ?? `exit code ${code}`);
        this.state = 'ended';
      });
    });
  }

  /**
   * Reads the record connections to their end and exports what is left.
   *
   * @param limit milliseconds for all of it
   * @returns what the thread did, or undefined when it did not answer within the limit
   */
  async stop(limit: number): Promise<TelemetryCounts | undefined> {
    const answers = this.state === 'running';
    this.state = 'stopping';
    const counts = answers ? await this.end(limit) : undefined;
    await this.worker.terminate();
    return counts;
  }

  private end(limit: number): Promise<TelemetryCounts | undefined> {
    const answer = this.stopped(Math.ceil(limit) + GRACE);
    const command: Command = { type: 'stop', limit };
    this.worker.postMessage(command);
    return answer;
  }

  /** What the thread did, or undefined when it did not say so within `limit` milliseconds. */
  private async stopped(limit: number): Promise<TelemetryCounts | undefined> {
    try {
      for await (const [report] of on(this.worker, 'message', {
        signal: AbortSignal.timeout(limit),
        close: ['exit'],
      }) as AsyncIterable<[Report]>) {
        if (report.type === 'stopped') return report;
      }
    } catch {
      // Out of time.
    }
    return undefined;
  }
}
