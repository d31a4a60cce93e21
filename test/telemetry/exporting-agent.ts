import { afterEach } from 'vitest';
import { AgentProcess, until } from '../agent-process.ts';
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

/** Settings of an agent for `metricOf`. */
export const COUNTED = { HAPROXY_OTEL_ADMIN: '127.0.0.1:0' } as const;

/** What the agent itself counts, by the name of a metric of its admin listener. */
export async function metricOf(agent: AgentProcess, name: string): Promise<number> {
  const response = await fetch(`http://${agent.logged('ready')?.admin}/metrics`);
  const line = new RegExp(`^haproxy_otel_${name} (\\S+)$`, 'm').exec(await response.text());
  return Number(line?.[1]);
}

/**
 * Waits until the agent has the receiver's answer for so many spans. A receiver that goes away before, though it has
 * counted them, gets them again when it is back, and rightly so.
 */
export async function untilExported(agent: AgentProcess, spans: number): Promise<void> {
  await until(
    `${spans} spans to be exported`,
    async () => (await metricOf(agent, 'spans_exported_total')) >= spans,
  );
}

/**
 * An agent that exports to `endpoint`, soon. On a busy machine nothing is sent twice because the answer was late, and
 * nothing is lost because the agent had to stop in time.
 */
export async function startExporting(
  endpoint: string,
  env: Record<string, string> = {},
): Promise<AgentProcess> {
  const agent = await AgentProcess.start({
    HAPROXY_OTEL_SPOP: '127.0.0.1:0',
    HAPROXY_OTEL_RECORDS: '127.0.0.1:0',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '20',
    OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
    OTEL_BSP_EXPORT_TIMEOUT: '60000',
    HAPROXY_OTEL_STOP_TIMEOUT: '60000',
    ...env,
  });
  afterwards(() => agent.end('SIGKILL'));
  return agent;
}
