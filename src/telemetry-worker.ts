import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { errorText } from './error-text.ts';
import { isInherited } from './listen-address.ts';
import { RecordListener } from './record-listener.ts';
import type { Report, WorkerData } from './threads/messages.ts';

if (parentPort === null) throw new Error('telemetry-worker.ts runs as a worker thread only');
const port: MessagePort = parentPort;
const report = (message: Report): void => port.postMessage(message);

try {
  await run(workerData as WorkerData);
} catch (error) {
  report({ type: 'failed', reason: errorText(error) });
}

/** Listens before the code for records is loaded, which takes the longest: HAProxy need not wait for that. */
async function run(data: WorkerData): Promise<void> {
  const { records, tls } = data.config;
  // The resource names what was started.
  process.argv = [...data.argv];
  const listener = new RecordListener(records, tls);
  const waits = data.isSuccessor && isInherited(records);
  if (!waits) report({ type: 'listening', records: await listener.open() });
  const { runTelemetry } = await import('./telemetry-thread.ts');
  await runTelemetry(data, port, listener);
}
