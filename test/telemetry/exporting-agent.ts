import { afterEach } from 'vitest';
import { AgentProcess } from '../agent-process.ts';
import { OtlpReceiver, type ReceiverOptions } from '../otlp-receiver.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Is done after the test. */
export function afterwards(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

export async function receive(options: ReceiverOptions = {}): Promise<OtlpReceiver> {
  const receiver = await OtlpReceiver.start(options);
  afterwards(() => receiver.stop());
  return receiver;
}

/** An agent that exports to `endpoint`, soon. */
export async function startExporting(
  endpoint: string,
  env: Record<string, string> = {},
): Promise<AgentProcess> {
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '20',
    ...env,
  });
  afterwards(() => agent.end('SIGKILL'));
  return agent;
}
