import { createServer, type Server } from 'node:net';
import type { Config } from './config.ts';
import { ConnectionLog } from './connection-log.ts';
import { Minter } from './context/mint.ts';
import { SamplerSwitch } from './context/sampler-switch.ts';
import { boundAddress, listen } from './listen.ts';
import type { Logger } from './log.ts';
import { FINISH } from './records/finish-message.ts';
import { SpopServer } from './spop/server.ts';
import { TelemetryChannel } from './telemetry/channel.ts';

/** The running agent: the mint path on this thread, the telemetry path on its own. */
export class Agent {
  /** Where SPOP is spoken and records are received, ports as really bound. */
  readonly spop: string;
  readonly records: string;
  private readonly config: Config;
  private readonly log: Logger;
  private readonly listener: Server;
  private readonly server: SpopServer;
  private readonly minter: Minter;
  private readonly sampler: SamplerSwitch;
  private readonly telemetry: TelemetryChannel;

  private constructor(
    config: Config,
    log: Logger,
    parts: {
      listener: Server;
      server: SpopServer;
      minter: Minter;
      sampler: SamplerSwitch;
      telemetry: TelemetryChannel;
    },
  ) {
    this.config = config;
    this.log = log;
    this.listener = parts.listener;
    this.server = parts.server;
    this.minter = parts.minter;
    this.sampler = parts.sampler;
    this.telemetry = parts.telemetry;
    this.spop = boundAddress(parts.listener, config.spop);
    this.records = parts.telemetry.records;
  }

  /**
   * Starts both paths; resolves when both listen.
   *
   * @param onDeath called when the telemetry thread dies: half an agent is none
   * @throws Error when a listener or the exporter cannot be set up
   */
  static async start(
    config: Config,
    log: Logger,
    onDeath: (reason: string) => void,
  ): Promise<Agent> {
    const sampler = new SamplerSwitch(config.sampler);
    const minter = new Minter(sampler.sample, (notify) => {
      if (!notify.named(FINISH)) return;
      const start = notify.position;
      while (notify.nextArgument());
      telemetry.finish(notify.buffer, start, notify.position);
    });
    const connections = new ConnectionLog(log);
    const server = new SpopServer(minter.handle, config.spopLimits, {
      onHello: (peer, agreement) => connections.hello(peer, agreement),
      onEnd: (peer, end, agreement) => connections.end(peer, end, agreement),
    });
    const listener = createServer((socket) => server.accept(socket));
    // Records first: what the first request leaves behind must find its way.
    const telemetry = await TelemetryChannel.start(
      config.telemetry,
      config.threadEnv,
      log,
      onDeath,
    );
    try {
      await listen(listener, config.spop);
      await telemetry.ready;
    } catch (error) {
      listener.close();
      await server.stop();
      await telemetry.stop(0);
      throw error;
    }
    return new Agent(config, log, { listener, server, minter, sampler, telemetry });
  }

  /** Resolves when both threads have got to it. */
  ping(): Promise<void> {
    return this.telemetry.control.ping();
  }

  /**
   * Takes log level, sampler and exporter from `config`; no connection is touched.
   *
   * @throws Error when the exporter cannot be set up so; nothing is changed then
   */
  async reload(config: Config): Promise<void> {
    const { logLevel, sampler, exporter } = config.telemetry;
    await this.telemetry.control.reload({ logLevel, sampler, exporter });
    this.sampler.use(config.sampler);
    this.log.level = config.logLevel;
  }

  /** Stops accepting, answers what was read, says DISCONNECT, reads the records and exports them. */
  async stop(): Promise<void> {
    const started = performance.now();
    this.listener.close();
    await this.server.stop();
    const left = Math.max(0, this.config.stopTimeout - (performance.now() - started));
    const telemetry = await this.telemetry.stop(left);
    const lost = telemetry?.spans.waiting ?? 0;
    const fields = { requests: this.minter.counts, ...telemetry };
    if (telemetry === undefined || lost > 0) {
      this.log.error(fields, 'stopped, with spans that could not be exported in time');
    } else {
      this.log.info(fields, 'stopped');
    }
  }
}
