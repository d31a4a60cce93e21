import { createServer, type Socket } from 'node:net';
import type { Config } from './config/config.ts';
import { ConnectionLog } from './connection-log.ts';
import { Minter } from './context/mint.ts';
import { Sampler } from './context/sampling.ts';
import { type Listening, listenFor } from './listen.ts';
import { formatAddress, isInherited } from './listen-address.ts';
import { ListenerTls, refuseExposed } from './listener-tls.ts';
import type { Logger } from './log.ts';
import { createBadArgumentLog, createTrustUnsetLog } from './mint-log.ts';
import { readInPlace } from './read-in-place.ts';
import { RemoteSampling } from './remote-sampling/remote-sampling.ts';
import { SpopServer } from './spop/server.ts';
import { MintMeter } from './threads/mint-meter.ts';
import type { TelemetryChannel } from './threads/telemetry-channel.ts';
import type { HandedOver, ListenerSockets } from './upgrade/messages.ts';
import type { Adopted, Adopter } from './upgrade/predecessor.ts';

/** The agent before this one. */
export type Former = {
  /** Resolves when this one is to listen. */
  readonly ready: () => Promise<void>;
  /** Resolves when this one has all connections. */
  readonly adopt: (adopter: Adopter) => Promise<Adopted>;
};

/** The running agent: the mint path on this thread, the telemetry path on its own. */
export class Agent {
  /** The addresses of the SPOP and the record listener, with the ports that were bound. */
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
   * @param predecessor the agent that it replaces once nothing can fail any more
   * @throws Error when a listener or the exporter cannot be set up
   */
  static async start(
    config: Config,
    telemetry: TelemetryChannel,
    log: Logger,
    predecessor?: Former,
  ): Promise<Agent> {
    const sampler = new Sampler(config.sampler);
    const minter = new Minter(sampler, {
      propagators: config.formats,
      onBadArgument: createBadArgumentLog(log),
      onTrustUnset: createTrustUnsetLog(log),
    });
    const { mintNumbers } = telemetry;
    const meter = mintNumbers && new MintMeter(mintNumbers, () => minter.minted);
    const connections = new ConnectionLog(log);
    const server = new SpopServer(minter.handle, config.spopLimits, {
      onHello: (peer, agreement, isNew) => {
        if (isNew) meter?.handshake(agreement.healthcheck);
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
    const open = async (): Promise<Listening> => {
      const opened = await listenFor(
        'HAPROXY_OTEL_SPOP',
        createServer({ pauseOnConnect: true }, (socket) =>
          tls === undefined ? server.accept(readInPlace(socket)) : tls.accept(socket),
        ),
        config.spop,
      );
      await refuseExposed(opened, 'HAPROXY_OTEL_SPOP', files);
      return opened;
    };
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
      // HAProxy may send NOTIFYs before its ring connects: records of the first requests wait in the ring.
      if (predecessor === undefined || !isInherited(config.spop)) listener = await open();
      if (predecessor !== undefined) {
        admin = await telemetry.ready;
        await predecessor.ready();
        if (isInherited(config.telemetry.records)) telemetry.listen();
      }
      listener ??= await open();
      records = await telemetry.listening;
      meter?.start(() => ({ ...minter.counts, connectionsOpen: server.size }));
      admin = await telemetry.ready;
      if (predecessor !== undefined) {
        const connections = await predecessor.adopt({
          spop: (socket, state) => server.accept(socket, state),
          records: (connection) => telemetry.continue(connection),
        });
        log.info({ connections }, 'took over');
      }
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

  /** Resolves when both threads have answered. */
  ping(): Promise<void> {
    return this.telemetry.ping();
  }

  /**
   * Applies log level, sampler and exporter of `config`, and reads certificates again; no connection is touched.
   *
   * @throws Error when the exporter cannot be set up so, or a certificate not be used; nothing is changed then
   */
  async reload(config: Config): Promise<void> {
    const useFiles = this.tls?.prepare();
    const { logLevel, sampler, exporters, metrics } = config.telemetry;
    await this.telemetry.reload({ logLevel, sampler, exporters, metrics });
    useFiles?.();
    this.sampling.use(config.sampler);
    this.log.level = config.logLevel;
  }

  /** For an end without `stop`: what waits then is lost. */
  get lastCounts(): Record<string, unknown> {
    return { requests: this.minter.counts, ...this.telemetry.lastCounts };
  }

  /** @throws Error where Node does not have the descriptors */
  async listenerSockets(): Promise<ListenerSockets[]> {
    const { spop, telemetry } = this.config;
    const { records, admin } = await this.telemetry.sockets();
    return [
      { listener: 'spop', address: formatAddress(spop), sockets: this.listener.sockets() },
      { listener: 'records', address: formatAddress(telemetry.records), sockets: records },
      ...(telemetry.admin === undefined
        ? []
        : [
            {
              listener: 'admin',
              address: formatAddress(telemetry.admin.address),
              sockets: admin,
            } as const,
          ]),
    ];
  }

  /** Leaves listeners and connections to another process that listens already; `stop` is to follow. */
  async handOver(
    send: (connection: HandedOver, socket: Socket | number) => Promise<void>,
  ): Promise<Adopted> {
    this.listener.release();
    const spop = await this.server.handOver((state, socket) =>
      send({ kind: 'spop', state }, socket),
    );
    const records = await this.telemetry.release();
    for (const connection of records) await send({ kind: 'records', connection }, connection.fd);
    return { spop, records: records.length };
  }

  /** Stops accepting, answers what was read, sends DISCONNECT, reads the remaining records and exports them. */
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
    const fields = telemetry ? { requests: this.minter.counts, ...telemetry } : this.lastCounts;
    if (telemetry === undefined || lost > 0) {
      this.log.error(fields, 'stopped, with spans that could not be exported in time');
    } else if (lostLogs > 0) {
      this.log.error(fields, 'stopped, with log records that could not be exported in time');
    } else {
      this.log.info(fields, 'stopped');
    }
  }
}

/** Logs each argument once a minute: HAProxy sends it with every request. */
