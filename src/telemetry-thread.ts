import type { Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import type { AdminConfig } from './admin/config.ts';
import { LoopDelayMonitor } from './admin/loop-delay.ts';
import { HopObserver } from './admin/observer.ts';
import type { AdminServer } from './admin/server.ts';
import type { AdminSources } from './admin/sources.ts';
import { listenForDatagrams } from './datagrams.ts';
import { formatAddress, isTaken, type Listening } from './listen.ts';
import { createLogger, type Logger } from './log.ts';
import { RecordReceiver } from './records/receiver.ts';
import { setQueryRule } from './records/redaction.ts';
import { createPipeline } from './telemetry/create-pipeline.ts';
import { createFaultLog } from './telemetry/episodes.ts';
import type { Output } from './telemetry/export/output.ts';
import { applyAll, NOTHING_PREPARED } from './telemetry/export/signal-exporter.ts';
import { quietGrpc } from './telemetry/transport/grpc-log.ts';
import type {
  Command,
  Reloadable,
  Report,
  TelemetryCounts,
  WorkerData,
} from './threads/messages.ts';
import { readMintNumbers } from './threads/mint-numbers.ts';
import { giveWay } from './threads/priority.ts';
import { VERSION } from './version.ts';

/**
 * All that the telemetry thread does once it listens. What holds for the whole thread is set here: what gRPC logs, what is
 * shown of queries, its priority.
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
  quietGrpc();
  setQueryRule(config.queryRule);
  let observer = mint === undefined ? undefined : new HopObserver();
  const { pipeline, spans, logs, sampling, metrics } = await createPipeline(
    config,
    log,
    observer && ((record, hop) => observer?.observe(record, hop)),
  );
  const receiver = new RecordReceiver({
    onRecord: pipeline.takeLine,
    onBadFraming: (peer, error) => log.warn({ peer, reason: error.message }, 'records refused'),
    onRenew: (peer, age) => log.debug({ peer, age: Math.round(age) }, 'ring connection renewed'),
  });
  const accept = (socket: Socket): void => {
    receiver.accept(socket);
    socket.resume();
  };
  listening.server.removeAllListeners('connection').on('connection', accept);
  early.forEach(accept);
  const datagrams = await listenForDatagrams(listening, config.records, (message) =>
    receiver.datagram(message),
  );
  const admin =
    config.admin === undefined || observer === undefined || mint === undefined
      ? undefined
      : await startAdmin(config.admin, log, {
          version: VERSION,
          startedAt: Date.now() - process.uptime() * 1000,
          mint: () => readMintNumbers(mint),
          observer,
          records: pipeline.counts,
          exporter: spans.watch,
          spans: spans.output,
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
        () => spans.output.prepare(next.exporters.traces),
        () => metrics?.prepare(next) ?? NOTHING_PREPARED,
        () => logs?.output.prepare(next.exporters.logs) ?? NOTHING_PREPARED,
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
    await Promise.all([spans.output.flush(left), logs?.output.flush(left), metrics?.stop(left)]);
    await admin?.stop();
    report({
      type: 'stopped',
      records: pipeline.counts,
      spans: itemsOf(spans.output),
      ...(logs && { logs: itemsOf(logs.output) }),
    });
    port.close();
  }
}

const itemsOf = ({ counts, waiting }: Output): TelemetryCounts['spans'] => ({ ...counts, waiting });

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
  const { AdminServer } = await import('./admin/server.ts');
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
