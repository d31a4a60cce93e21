import { createServer, type Socket } from 'node:net';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { listen } from '../listen.ts';
import { refuseExposed } from '../listener-tls.ts';
import { BEAT_SOCKETS } from '../records/beat.ts';
import type { Report, WorkerData } from './messages.ts';

const MAX_RECORD_CONNECTIONS = 1024;

if (parentPort === null) throw new Error('telemetry/worker.ts runs as a worker thread only');
const port: MessagePort = parentPort;
const report = (message: Report): void => port.postMessage(message);

try {
  await run(workerData as WorkerData);
} catch (error) {
  report({ type: 'failed', reason: error instanceof Error ? error.message : String(error) });
}

/** Listens before it loads all that is done with records, which takes longest: HAProxy need not wait for that. */
async function run(data: WorkerData): Promise<void> {
  const early: Socket[] = [];
  const options = { pauseOnConnect: true, ...BEAT_SOCKETS };
  const server = createServer(options, (socket) => early.push(socket));
  server.maxConnections = MAX_RECORD_CONNECTIONS;
  const { records, tls } = data.config;
  const listening = await listen(server, records, options);
  refuseExposed(listening, 'HAPROXY_OTEL_RECORDS', tls);
  report({ type: 'listening', records: listening.address });
  const { runTelemetry } = await import('./telemetry.ts');
  await runTelemetry(data, port, listening, early);
}
