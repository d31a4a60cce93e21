import { on, once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { Logger } from '../log.ts';
import type { TelemetryConfig } from './config.ts';
import { Control } from './control.ts';
import { FinishRelay } from './finish-relay.ts';
import type { Command, Report, TelemetryCounts, WorkerData } from './messages.ts';

/** What the thread may take to answer beyond its own limit, in milliseconds. */
const GRACE = 500;

/**
 * Megabytes. V8 counts buffers to the heap, and its first limit follows what survives, which is next to nothing
 * here: with that limit, the batches alone have it collect the whole heap several times a second.
 */
const HEAP_BEFORE_COLLECTION = 64;

/** Megabytes. What is made of a record outlives nothing: more room would be more memory, and no less work. */
const YOUNG_GENERATION = 24;

/** The main thread's handle on the telemetry thread. */
export class TelemetryChannel {
  /** Where records are received. */
  readonly records: string;
  /**
   * Resolves when records are worked on, with where the admin listener is, if there is one; rejects when that or
   * the exporter cannot be set up.
   */
  readonly ready: Promise<string | undefined>;
  readonly control: Control;
  private readonly worker: Worker;
  private readonly relay: FinishRelay;
  private state: 'running' | 'stopping' = 'running';

  private constructor(
    worker: Worker,
    records: string,
    log: Logger,
    onDeath: (reason: string) => void,
  ) {
    this.worker = worker;
    this.records = records;
    this.control = new Control(worker);
    this.relay = new FinishRelay(
      (bytes) => {
        const command: Command = { type: 'finished', bytes };
        worker.postMessage(command, [bytes.buffer]);
      },
      () => log.error('the telemetry thread is behind, finish messages are dropped'),
    );
    let reason: string | undefined;
    this.ready = new Promise((resolve, reject) => {
      worker.on('message', (report: Report) => {
        if (report.type === 'taken') this.relay.taken(report.bytes);
        if (report.type === 'ready') resolve(report.admin);
        if (report.type === 'failed') reject(new Error(report.reason));
      });
      worker.on('error', (error: Error) => {
        reason = error.stack ?? error.message;
        reject(error);
      });
    });
    // Whoever starts the agent asks; there may be another reason not to before.
    this.ready.catch(() => {});
    worker.on('exit', (code) => {
      if (this.state === 'running') onDeath(reason ?? `exit code ${code}`);
    });
  }

  /**
   * Starts the thread; resolves when it listens for records, which wait until it is `ready`.
   *
   * @param onDeath called when the thread ends without having been stopped
   * @param mint the mint thread's numbers for the admin listener
   * @throws Error when the thread cannot listen, with its reason
   */
  static async start(
    config: TelemetryConfig,
    env: Readonly<Record<string, string>>,
    log: Logger,
    onDeath: (reason: string) => void,
    mint?: SharedArrayBuffer,
  ): Promise<TelemetryChannel> {
    setFlagsFromString(`--initial-old-space-size=${HEAP_BEFORE_COLLECTION}`);
    const workerData: WorkerData = { config, mint };
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      name: 'telemetry',
      workerData,
      env: { ...env },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
    });
    const [report] = (await once(worker, 'message')) as [Report];
    if (report.type === 'listening') {
      return new TelemetryChannel(worker, report.records, log, onDeath);
    }
    await worker.terminate();
    throw new Error(report.type === 'failed' ? report.reason : `unexpected "${report.type}"`);
  }

  /** Copies `buffer[start, end)`, the arguments of a `finish` message, and hands them to the thread. */
  finish(buffer: Buffer, start: number, end: number): void {
    this.relay.add(buffer, start, end);
  }

  /**
   * Reads the record connections to their end and exports what is left.
   *
   * @param limit milliseconds for all of it
   * @returns what the thread did, or undefined when it did not answer within the limit
   */
  async stop(limit: number): Promise<TelemetryCounts | undefined> {
    this.state = 'stopping';
    this.relay.flush();
    const answer = this.stopped(Math.ceil(limit) + GRACE);
    const command: Command = { type: 'stop', limit };
    this.worker.postMessage(command);
    const counts = await answer;
    await this.worker.terminate();
    return counts;
  }

  /** What the thread did, or undefined when it did not say so within `limit` milliseconds. */
  private async stopped(limit: number): Promise<TelemetryCounts | undefined> {
    try {
      for await (const [report] of on(this.worker, 'message', {
        signal: AbortSignal.timeout(limit),
      }) as AsyncIterable<[Report]>) {
        if (report.type === 'stopped') return report;
      }
    } catch {
      // Out of time.
    }
    return undefined;
  }
}
