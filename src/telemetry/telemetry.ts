import type { Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import type { AdminConfig } from '../admin/config.ts';
import { LoopDelayMonitor } from '../admin/loop-delay.ts';
import { readMintNumbers } from '../admin/mint-numbers.ts';
import { HopObserver } from '../admin/observer.ts';
import type { AdminServer } from '../admin/server.ts';
import type { AdminSources } from '../admin/sources.ts';
import { listenForDatagrams } from '../datagrams.ts';
import { formatAddress, isTaken, type Listening } from '../listen.ts';
import { ListenerTls } from '../listener-tls.ts';
import { createLogger, type Logger } from '../log.ts';
import { RecordReceiver } from '../records/receiver.ts';
import { VERSION } from '../version.ts';
import type { Reloadable } from './config.ts';
import { createFaultLog, createRefusalLog } from './episodes.ts';
import type { Command, Report, WorkerData } from './messages.ts';
import { createPipeline } from './pipeline.ts';
import { giveWay } from './priority.ts';
import { applyAll, NOTHING_PREPARED } from './signal-exporter.ts';

/** A ring has one connection for each HAProxy process. */
const TLS_LIMITS = { handshakeTimeout: 5_000, connectionsOfPeer: 64 };

/**
 * All that the telemetry thread does once it listens.
 *
 * @param port where commands come from, and reports go to
 * @param early connections that were accepted so far, and are paused as all of `listening` are
 */
export async function runTelemetry(
  { config, mint }: WorkerData,
  port: MessagePort,
  listening: Listening,
  early: readonly Socket[],
): Promise<void> {
  const report = (message: Report): void => port.postMessage(message);
  const log = createLogger(config.logLevel, { thread: 'telemetry' }, config.journal);
  let observer = mint === undefined ? undefined : new HopObserver();
  const { pipeline, exporter, logs, watch, sampling, metrics } = await createPipeline(
    config,
    log,
    observer && ((record, hop) => observer?.observe(record, hop)),
  );
  const receiver = new RecordReceiver({
    onRecord: pipeline.takeLine,
    onBadFraming: (peer, error) => log.warn({ peer, reason: error.message }, 'records refused'),
    onRenew: (peer, age) => log.debug({ peer, age: Math.round(age) }, 'ring connection renewed'),
  });
  const accept = (socket: Socket, raw = socket): void => {
    receiver.accept(socket, raw);
    socket.resume();
  };
  const tls =
    config.tls &&
    new ListenerTls(config.tls, TLS_LIMITS, {
      onConnection: accept,
      onRefused: createRefusalLog(log),
    });
  const connected = (socket: Socket): void => (tls ?? { accept }).accept(socket);
  listening.server.removeAllListeners('connection').on('connection', connected);
  early.forEach(connected);
  // Datagrams have no TLS.
  const datagrams =
    tls === undefined
      ? await listenForDatagrams(listening, config.records, (message) => receiver.datagram(message))
      : undefined;
  const admin =
    config.admin === undefined || observer === undefined || mint === undefined
      ? undefined
      : await startAdmin(config.admin, log, {
          version: VERSION,
          startedAt: Date.now() - process.uptime() * 1000,
          mint: () => readMintNumbers(mint),
          observer,
          records: pipeline.counts,
          exporter: watch,
          spans: exporter,
          delay: new LoopDelayMonitor(),
          metrics,
        });
  // Nobody would see what it keeps.
  if (admin === undefined) observer = undefined;
  giveWay(log);
  report({ type: 'ready', admin: admin?.address });

  port.on('message', (command: Command) => {
    switch (command.type) {
      case 'ping':
        report({ type: 'pong' });
        return;
      case 'reload':
        reload(command.config);
        return;
      case 'stop':
        void stop(command.limit);
        return;
      default:
        command satisfies never;
    }
  });

  function reload(next: Reloadable): void {
    try {
      // First what may fail.
      applyAll([
        () => exporter.prepare(next.exporters.traces),
        () => metrics?.prepare(next) ?? NOTHING_PREPARED,
        () => logs?.prepare(next.exporters.logs) ?? NOTHING_PREPARED,
        () => ({ ...NOTHING_PREPARED, ...(tls && { apply: tls.prepare() }) }),
      ]);
      sampling.use(next.sampler);
      log.level = next.logLevel;
      report({ type: 'reloaded', failure: undefined });
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      report({ type: 'reloaded', failure });
    }
  }

  async function stop(limit: number): Promise<void> {
    const started = performance.now();
    await listening.close();
    sampling.stop();
    await receiver.stop(limit / 2);
    datagrams?.close();
    // Who asks meanwhile is told that the agent stops.
    const left = Math.max(0, limit - (performance.now() - started));
    await Promise.all([exporter.flush(left), logs?.flush(left), metrics?.stop(left)]);
    const spans = { ...exporter.counts, waiting: exporter.waiting };
    await admin?.stop();
    report({
      type: 'stopped',
      records: pipeline.counts,
      spans,
      ...(logs && { logs: { ...logs.counts, waiting: logs.waiting } }),
    });
    port.close();
  }
}

/**
 * Its code is loaded only where it is wanted, and when everything else is ready.
 *
 * @returns undefined where an address that nobody chose is taken: tracing does not depend on it
 */
async function startAdmin(
  config: AdminConfig,
  log: Logger,
  sources: AdminSources,
): Promise<AdminServer | undefined> {
  const { AdminServer } = await import('../admin/server.ts');
  try {
    return await AdminServer.start(config, sources, createFaultLog(log));
  } catch (error) {
    if (!config.optional || !isTaken(error)) throw error;
    log.error(
      { address: formatAddress(config.address) },
      'no admin listener, its address is taken: set HAPROXY_OTEL_ADMIN to another one, or to off',
    );
    return undefined;
  }
}
