import { createServer } from 'node:net';
import { MintMeter } from './admin/mint-meter.ts';
import type { Config } from './config/config.ts';
import { ConnectionLog } from './connection-log.ts';
import { Minter } from './context/mint.ts';
import type { BadArgument } from './context/mint-request.ts';
import { Sampler } from './context/sampling.ts';
import { type Listening, listen } from './listen.ts';
import { ListenerTls, refuseExposed } from './listener-tls.ts';
import type { Logger } from './log.ts';
import { RemoteSampling } from './remote-sampling/remote-sampling.ts';
import { SpopServer } from './spop/server.ts';
import type { TelemetryChannel } from './telemetry/channel.ts';

/** The running agent: the mint path on this thread, the telemetry path on its own. */
export class Agent {
  /** Where SPOP is spoken and records are received, ports as really bound. */
  readonly spop: string;
  readonly records: string;
  /** Where the admin listener is, if there is one. */
  readonly admin: string | undefined;
  private readonly config: Config;
  private readonly log: Logger;
  private readonly listener: Listening;
  private readonly tls: ListenerTls | undefined;
  private readonly server: SpopServer;
  private readonly minter: Minter;
  private readonly sampling: RemoteSampling;
  private readonly telemetry: TelemetryChannel;
  private readonly meter: MintMeter | undefined;

  private constructor(
    config: Config,
    log: Logger,
    parts: {
      listener: Listening;
      tls: ListenerTls | undefined;
      server: SpopServer;
      minter: Minter;
      sampling: RemoteSampling;
      telemetry: TelemetryChannel;
      meter: MintMeter | undefined;
      records: string;
      admin: string | undefined;
    },
  ) {
    this.config = config;
    this.log = log;
    this.listener = parts.listener;
    this.tls = parts.tls;
    this.server = parts.server;
    this.minter = parts.minter;
    this.sampling = parts.sampling;
    this.telemetry = parts.telemetry;
    this.meter = parts.meter;
    this.admin = parts.admin;
    this.spop = parts.listener.address;
    this.records = parts.records;
  }

  /**
   * Starts the mint path beside the telemetry path, which was started before; resolves when both listen.
   *
   * @throws Error when a listener or the exporter cannot be set up
   */
  static async start(config: Config, telemetry: TelemetryChannel, log: Logger): Promise<Agent> {
    const sampler = new Sampler(config.sampler);
    const minter = new Minter(sampler, {
      formats: config.formats,
      onBadArgument: createBadArgumentLog(log),
      onTrustUnset: createTrustUnsetLog(log),
    });
    const { mintNumbers } = telemetry;
    const meter = mintNumbers && new MintMeter(mintNumbers, () => minter.minted);
    const connections = new ConnectionLog(log);
    const server = new SpopServer(minter.handle, config.spopLimits, {
      onHello: (peer, agreement) => {
        meter?.handshake(agreement.healthcheck);
        connections.hello(peer, agreement);
      },
      onEnd: (peer, end, agreement) => {
        meter?.ended(end.reason);
        connections.end(peer, end, agreement);
      },
      ...(meter === undefined ? {} : { onAnswered: meter.answered }),
    });
    const { tls: files } = config.telemetry;
    let tls: ListenerTls | undefined;
    let listener: Listening | undefined;
    let records: string;
    let admin: string | undefined;
    try {
      tls =
        files &&
        new ListenerTls(
          files,
          {
            handshakeTimeout: config.spopLimits.helloTimeout,
            connectionsOfPeer: Math.ceil(config.spopLimits.maxConnections / 2),
          },
          {
            onConnection: (socket) => server.accept(socket),
            onRefused: (peer, reason) => connections.refused(peer, reason),
          },
        );
      // HAProxy may ask before its ring finds the agent: what the first requests leave behind waits there.
      listener = await listen(
        createServer((socket) => (tls ?? server).accept(socket)),
        config.spop,
      );
      refuseExposed(listener, 'HAPROXY_OTEL_SPOP', files);
      records = await telemetry.listening;
      meter?.start(() => ({ ...minter.counts, connectionsOpen: server.size }));
      admin = await telemetry.ready;
    } catch (error) {
      await listener?.close();
      meter?.stop();
      await server.stop();
      await telemetry.stop(0);
      throw error;
    }
    const sampling = new RemoteSampling(sampler, config.telemetry.resourceAttributes, log);
    sampling.use(config.sampler);
    return new Agent(config, log, {
      listener,
      tls,
      server,
      minter,
      sampling,
      telemetry,
      meter,
      records,
      admin,
    });
  }

  /** Resolves when both threads have got to it. */
  ping(): Promise<void> {
    return this.telemetry.control.ping();
  }

  /**
   * Takes log level, sampler and exporter from `config`, and reads certificates again; no connection is touched.
   *
   * @throws Error when the exporter cannot be set up so, or a certificate not be used; nothing is changed then
   */
  async reload(config: Config): Promise<void> {
    const useFiles = this.tls?.prepare();
    const { logLevel, sampler, exporters, metrics } = config.telemetry;
    await this.telemetry.control.reload({ logLevel, sampler, exporters, metrics });
    useFiles?.();
    this.sampling.use(config.sampler);
    this.log.level = config.logLevel;
  }

  /** Stops accepting, answers what was read, says DISCONNECT, reads the records and exports them. */
  async stop(): Promise<void> {
    const started = performance.now();
    await this.listener.close();
    this.meter?.stop();
    this.sampling.stop();
    await this.server.stop();
    const left = Math.max(0, this.config.stopTimeout - (performance.now() - started));
    const telemetry = await this.telemetry.stop(left);
    const lost = telemetry?.spans.waiting ?? 0;
    const lostLogs = telemetry?.logs?.waiting ?? 0;
    const fields = { requests: this.minter.counts, ...telemetry };
    if (telemetry === undefined || lost > 0) {
      this.log.error(fields, 'stopped, with spans that could not be exported in time');
    } else if (lostLogs > 0) {
      this.log.error(fields, 'stopped, with log records that could not be exported in time');
    } else {
      this.log.info(fields, 'stopped');
    }
  }
}

/** How often arguments that nobody understands are told of, in milliseconds. */
const BAD_ARGUMENT_EPISODE = 60_000;

/** Each argument once a minute: HAProxy says it again with every request. */
function createBadArgumentLog(log: Logger): BadArgument {
  const told = new Set<string>();
  return (name, value, accepts) => {
    if (told.has(name)) return;
    told.add(name);
    setTimeout(() => told.delete(name), BAD_ARGUMENT_EPISODE).unref();
    log.warn({ [name]: value, accepts }, 'HAProxy asks for something that is not accepted');
  };
}

/** How often it is logged that nothing is said of callers, in milliseconds: it is so until somebody edits a file. */
const TRUST_UNSET_EPISODE = 3_600_000;

/** Logs the first request at once, and once an hour how many there were. */
function createTrustUnsetLog(log: Logger): () => void {
  let requests = 0;
  return () => {
    requests += 1;
    if (requests > 1) return;
    const hint =
      'no rule sets txn.otel.trust to continue or restart, or a rule before it ends evaluation: haproxy-otel-spoa check names it';
    log.warn(
      { hint },
      'HAProxy does not say whom to trust: no trace of these callers is continued',
    );
    setTimeout(() => {
      if (requests > 1) log.warn({ requests, hint }, 'requests of callers of whom nothing is said');
      requests = 0;
    }, TRUST_UNSET_EPISODE).unref();
  };
}
