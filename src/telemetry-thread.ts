import { isDeepStrictEqual } from 'node:util';
import type { MessagePort } from 'node:worker_threads';
import type { AdminConfig } from './admin/config.ts';
import { LoopDelayMonitor } from './admin/loop-delay.ts';
import { HopObserver } from './admin/observer.ts';
import type { AdminServer } from './admin/server.ts';
import type { AdminSources } from './admin/sources.ts';
import { errorText } from './error-text.ts';
import { isAddressInUse } from './listen.ts';
import { formatAddress } from './listen-address.ts';
import { createLogger, type Logger } from './log.ts';
import type { RecordListener } from './record-listener.ts';
import { RecordReceiver } from './records/receiver.ts';
import { setQueryRule } from './records/redaction.ts';
import { createPipeline } from './telemetry/create-pipeline.ts';
import { createFaultLog, createPeerLog } from './telemetry/episodes.ts';
import type { Output } from './telemetry/export/output.ts';
import { applyAll, NOTHING_PREPARED } from './telemetry/export/signal-exporter.ts';
import { quietGrpc } from './telemetry/transport/grpc-log.ts';
import type {
  Command,
  Reloadable,
  Report,
  TelemetryCounts,
  ThreadSockets,
  WorkerData,
} from './threads/messages.ts';
import { readMintNumbers } from './threads/mint-numbers.ts';
import { lowerPriority } from './threads/priority.ts';
import { VERSION } from './version.ts';

/** How often the main thread gets what was counted, where it changed. Milliseconds. */
const ACCOUNT_INTERVAL = 250;

/**
 * All that the telemetry thread does with what comes from `listener`. What holds for the whole thread is set here:
 * what gRPC logs, what is shown of queries, its priority.
 *
 * @param port where commands come from, and reports go to
 */
export async function runTelemetry(
  { config, mint }: WorkerData,
  port: MessagePort,
  listener: RecordListener,
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
    onRecord: pipeline.processLine,
    onBadFraming: (peer, error) => log.warn({ peer, reason: error.message }, 'records refused'),
    onClosed: createPeerLog(log, 'closed'),
    onRenew: (peer, age) => log.debug({ peer, age: Math.round(age) }, 'ring connection renewed'),
  });
  await listener.receive(receiver, createPeerLog(log, 'refused'));
  const admin =
    config.admin === undefined || observer === undefined || mint === undefined
      ? undefined
      : await startAdmin(config.admin, log, {
          version: VERSION,
          startedAt: Date.now() - process.uptime() * 1000,
          mint: () => readMintNumbers(mint),
          observer,
          records: pipeline.counts,
          exporter: spans.status,
          spans: spans.output,
          delay: new LoopDelayMonitor(),
          metrics,
        });
  // Without the admin listener nobody reads what it stores.
  if (admin === undefined) observer = undefined;
  lowerPriority(log);
  let counted = counts();
  report({ type: 'counted', ...counted });
  const accounts = setInterval(() => {
    const now = counts();
    if (!isDeepStrictEqual(now, counted)) report({ type: 'counted', ...now });
    counted = now;
  }, ACCOUNT_INTERVAL);
  report({ type: 'ready', admin: admin?.address });

  port.on('message', (command: Command) => {
    switch (command.type) {
      case 'ping':
        report({ type: 'pong' });
        return;
      case 'reload':
        reload(command.config);
        return;
      case 'sockets':
        report({ type: 'sockets', sockets: sockets() });
        return;
      case 'listen':
        void listen();
        return;
      case 'release':
        admin?.release();
        report({ type: 'released', connections: listener.release() });
        return;
      case 'continue':
        listener.continue(command.connection);
        return;
      case 'stop':
        void stop(command.limit);
        return;
      default:
        command satisfies never;
    }
  });

  function sockets(): ThreadSockets | string {
    try {
      return { records: listener.sockets(), admin: admin?.sockets() ?? [] };
    } catch (error) {
      return errorText(error);
    }
  }

  async function listen(): Promise<void> {
    try {
      report({ type: 'listening', records: await listener.open() });
    } catch (error) {
      report({ type: 'failed', reason: errorText(error) });
    }
  }

  function reload(next: Reloadable): void {
    try {
      // Everything that may fail comes first.
      applyAll([
        () => spans.output.prepare(next.exporters.traces),
        () => metrics?.prepare(next) ?? NOTHING_PREPARED,
        () => logs?.output.prepare(next.exporters.logs) ?? NOTHING_PREPARED,
        () => ({ ...NOTHING_PREPARED, apply: listener.prepare() }),
      ]);
      sampling.use(next.sampler);
      log.level = next.logLevel;
      report({ type: 'reloaded', failure: undefined });
    } catch (error) {
      const failure = errorText(error);
      report({ type: 'reloaded', failure });
    }
  }

  async function stop(limit: number): Promise<void> {
    const started = performance.now();
    report({ type: 'counted', ...counts() });
    sampling.stop();
    await listener.close(limit / 2);
    // The admin listener answers until the end: as an agent that is stopping.
    const left = Math.max(0, limit - (performance.now() - started));
    await Promise.all([spans.output.flush(left), logs?.output.flush(left), metrics?.stop(left)]);
    await admin?.stop();
    clearInterval(accounts);
    report({ type: 'stopped', ...counts() });
    port.close();
  }

  function counts(): TelemetryCounts {
    return {
      records: { ...pipeline.counts },
      spans: itemsOf(spans.output),
      ...(logs && { logs: itemsOf(logs.output) }),
    };
  }
}

const itemsOf = ({ counts, waiting }: Output): TelemetryCounts['spans'] => ({ ...counts, waiting });

/**
 * Its code is loaded only where it is configured, and when everything else is ready.
 *
 * @returns undefined where the default address is in use: tracing does not depend on it
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
    if (!config.optional || !isAddressInUse(error)) throw error;
    log.error(
      { address: formatAddress(config.address) },
      'no admin listener, its address is taken: set HAPROXY_OTEL_ADMIN to another one, or to off',
    );
    return undefined;
  }
}
