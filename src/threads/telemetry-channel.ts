import { Worker } from 'node:worker_threads';
import type { RingConnection } from '../records/record-connection.ts';
import type {
  Command,
  Reloadable,
  Report,
  TelemetryCounts,
  ThreadConfig,
  ThreadSockets,
  WorkerData,
} from './messages.ts';
import { MintNumbers } from './mint-numbers.ts';

/** How long an answer of the thread is waited for beyond its own limit, in milliseconds. */
const GRACE = 2_000;

/**
 * Megabytes. Little that is made of a record survives, so that a collection of few megabytes is cheap; and it frees the
 * buffers that were read and sent, which V8 counts towards a collection of the whole heap.
 */
const YOUNG_GENERATION = 3;

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
  /** What the mint thread counts for the admin listener, if there is one. */
  readonly mintNumbers: MintNumbers | undefined;
  private readonly worker: Worker;
  private counted: { readonly counts: TelemetryCounts; readonly at: number } | undefined;
  private state: 'running' | 'failed' | 'stopping' | 'ended' = 'running';
  private readonly waiting = {
    listening: new Deferred<string>(),
    ready: new Deferred<string | undefined>(),
    stopped: new Deferred<TelemetryCounts | undefined>(),
    pings: [] as (() => void)[],
    reloads: [] as ((failure: string | undefined) => void)[],
    sockets: [] as ((sockets: ThreadSockets | string) => void)[],
    released: [] as ((connections: readonly RingConnection[]) => void)[],
  };

  /** Starts the thread; there is no need to wait until it is ready. */
  constructor(config: ThreadConfig, env: Readonly<Record<string, string>>, isSuccessor = false) {
    this.mintNumbers = config.admin === undefined ? undefined : new MintNumbers();
    const workerData: WorkerData = {
      config,
      mint: this.mintNumbers?.shared,
      argv: process.argv,
      isSuccessor,
    };
    const worker = new Worker(new URL('../telemetry-worker.js', import.meta.url), {
      name: 'telemetry',
      workerData,
      env: { ...env },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
    });
    this.worker = worker;
    this.listening = this.waiting.listening.promise;
    this.ready = this.waiting.ready.promise;
    // Whoever starts the agent awaits them; there may be another reason not to before.
    this.listening.catch(() => {});
    this.ready.catch(() => {});
    worker.on('message', (report: Report) => this.receive(report));
    let reason: string | undefined;
    worker.on('error', (error: Error) => {
      reason = error.stack ?? error.message;
      this.fail(error);
    });
    this.died = new Promise((resolve) => {
      worker.on('exit', (code) => {
        if (this.state === 'running') resolve(reason ?? `exit code ${code}`);
        this.state = 'ended';
        this.waiting.stopped.resolve(undefined);
      });
    });
  }

  /** What the thread counted last, and how many milliseconds ago; nothing before its first account. */
  get lastCounts(): Partial<TelemetryCounts> & { readonly account_age?: number } {
    const { counted } = this;
    if (counted === undefined) return {};
    return { ...counted.counts, account_age: Math.round(performance.now() - counted.at) };
  }

  /** Resolves when the thread has worked on everything before. */
  ping(): Promise<void> {
    this.send({ type: 'ping' });
    return new Promise((resolve) => this.waiting.pings.push(resolve));
  }

  /** @throws Error when the exporter cannot be set up so; nothing is changed then */
  async reload(config: Reloadable): Promise<void> {
    this.send({ type: 'reload', config });
    const failure = await new Promise<string | undefined>((resolve) =>
      this.waiting.reloads.push(resolve),
    );
    if (failure !== undefined) throw new Error(failure);
  }

  /** @throws Error where Node does not have their descriptors */
  async sockets(): Promise<ThreadSockets> {
    this.send({ type: 'sockets' });
    const sockets = await new Promise<ThreadSockets | string>((resolve) =>
      this.waiting.sockets.push(resolve),
    );
    if (typeof sockets === 'string') throw new Error(sockets);
    return sockets;
  }

  /** Listens where another process listened. */
  listen(): void {
    this.send({ type: 'listen' });
  }

  /** Listens and reads no more: the next process does. */
  release(): Promise<readonly RingConnection[]> {
    this.send({ type: 'release' });
    return new Promise((resolve) => this.waiting.released.push(resolve));
  }

  /** Reads a connection that another process has read. */
  continue(connection: RingConnection): void {
    this.send({ type: 'continue', connection });
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
    const counts = answers ? await this.stopped(limit) : undefined;
    await this.worker.terminate();
    return counts;
  }

  private async stopped(limit: number): Promise<TelemetryCounts | undefined> {
    const { promise, resolve } = this.waiting.stopped;
    this.send({ type: 'stop', limit });
    const timer = setTimeout(() => resolve(undefined), Math.ceil(limit) + GRACE);
    const counts = await promise;
    clearTimeout(timer);
    return counts;
  }

  private send(command: Command): void {
    this.worker.postMessage(command);
  }

  private receive(report: Report): void {
    const { waiting } = this;
    switch (report.type) {
      case 'listening':
        waiting.listening.resolve(report.records);
        return;
      case 'ready':
        waiting.ready.resolve(report.admin);
        return;
      case 'pong':
        waiting.pings.shift()?.();
        return;
      case 'reloaded':
        waiting.reloads.shift()?.(report.failure);
        return;
      case 'sockets':
        waiting.sockets.shift()?.(report.sockets);
        return;
      case 'released':
        waiting.released.shift()?.(report.connections);
        return;
      case 'failed':
        this.state = 'failed';
        this.fail(new Error(report.reason));
        return;
      case 'counted': {
        const { type: _, ...counts } = report;
        this.counted = { counts, at: performance.now() };
        return;
      }
      case 'stopped': {
        const { type: _, ...counts } = report;
        waiting.stopped.resolve(counts);
        return;
      }
      default:
        report satisfies never;
    }
  }

  private fail(error: Error): void {
    this.waiting.listening.reject(error);
    this.waiting.ready.reject(error);
  }
}

/** A promise that is settled from outside. */
class Deferred<T> {
  resolve: (value: T) => void = () => {};
  reject: (error: Error) => void = () => {};
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}
