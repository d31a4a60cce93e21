import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { boundAddress, type ListenAddress, listen } from '../listen.ts';
import { createLogger, type Logger } from '../log.ts';
import { RecordReceiver } from '../records/receiver.ts';
import { VERSION } from '../version.ts';
import type { TelemetryConfig } from './config.ts';
import { createExporter } from './exporter.ts';
import type { Command, Report } from './messages.ts';
import { Pipeline } from './pipeline.ts';
import type { QueueEvent } from './queue.ts';
import { createResource } from './resource.ts';

/** How often lines that are no records are told of, in milliseconds. */
const UNUSABLE_EPISODE = 60_000;

const MAX_RECORD_CONNECTIONS = 1024;

/** Datagrams that come faster than they are parsed wait here: a reload under load sends many at once. */
const DATAGRAM_BUFFER = 4 * 1024 * 1024;

const port = parentPort;
if (port === null) throw new Error('telemetry/worker.ts runs as a worker thread only');
const report = (message: Report): void => port.postMessage(message);

try {
  await run(workerData as TelemetryConfig);
} catch (error) {
  report({ type: 'failed', reason: error instanceof Error ? error.message : String(error) });
}

async function run(config: TelemetryConfig): Promise<void> {
  const log = createLogger(config.logLevel, { thread: 'telemetry' });
  const scope = {
    resource: await createResource(config.resourceAttributes),
    instrumentationScope: { name: 'haproxy-otel-spoa', version: VERSION },
  };
  const exporter = createExporter(config, scope, (event) => logQueueEvent(log, event));
  const pipeline = new Pipeline(config, exporter, createUnusableLog(log));
  const receiver = new RecordReceiver({
    onRecord: pipeline.take,
    onBadFraming: (peer, error) => log.warn({ peer, reason: error.message }, 'records refused'),
  });

  const server = createServer((socket) => receiver.accept(socket));
  server.maxConnections = MAX_RECORD_CONNECTIONS;
  await listen(server, config.records);
  const datagrams = await listenForDatagrams(server, config.records, (message) =>
    receiver.datagram(message),
  );
  report({ type: 'ready', records: boundAddress(server, config.records) });

  port?.once('message', async (command: Command) => {
    const started = performance.now();
    server.close();
    await receiver.stop(command.limit / 2);
    datagrams?.close();
    await exporter.flush(Math.max(0, command.limit - (performance.now() - started)));
    const spans = { ...exporter.counts, waiting: exporter.waiting };
    report({ type: 'stopped', records: pipeline.counts, spans });
    port?.close();
  });
}

/** UDP on the port of the TCP listener, as HAProxy's `log` line has it; a unix socket has none. */
async function listenForDatagrams(
  server: Server,
  address: ListenAddress,
  onMessage: (message: Buffer) => void,
): Promise<DatagramSocket | undefined> {
  const bound = server.address();
  if (address.kind !== 'tcp' || bound === null || typeof bound === 'string') return undefined;
  const type = bound.family === 'IPv6' ? 'udp6' : 'udp4';
  const socket = createSocket({ type, recvBufferSize: DATAGRAM_BUFFER });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) =>
      reject(new Error(`cannot receive datagrams on port ${bound.port}: ${error.message}`)),
    );
    socket.bind(bound.port, address.host, resolve);
  });
  socket.on('message', onMessage);
  return socket;
}

/** Tells of the first line at once, and of how many there were a minute later. */
function createUnusableLog(log: Logger): (line: string) => void {
  let count = 0;
  return (line) => {
    count += 1;
    if (count > 1) return;
    log.warn({ line }, 'a log line that is not a record of the shipped log format');
    setTimeout(() => {
      if (count > 1) log.warn({ lines: count }, 'log lines that are not records');
      count = 0;
    }, UNUSABLE_EPISODE).unref();
  };
}

function logQueueEvent(log: Logger, event: QueueEvent): void {
  const { kind, ...fields } = event;
  switch (kind) {
    case 'failing':
      log.warn(fields, 'export fails, spans wait');
      return;
    case 'recovered':
      log.info(fields, 'export works again');
      return;
    case 'refused':
      log.error(fields, 'the receiver refuses spans');
      return;
    case 'dropping':
      log.error(fields, 'export queue is full, the oldest spans are dropped');
      return;
    case 'dropped':
      log.error(fields, 'export queue has room again, spans were dropped');
      return;
    default:
      kind satisfies never;
  }
}
