// The shipped HAProxy configuration, an agent that reports the event loop delay of its main thread on request
// (event-loop-delay.mjs), and a receiver.
import { Haproxy } from '../dist/demo/haproxy.js';
import { OtlpServer } from '../dist/demo/otlp-receiver.js';
import { freePorts } from '../dist/demo/ports.js';
import { startAgent, stop } from './processes.mjs';

export const DELAY = new URL('event-loop-delay.mjs', import.meta.url);

/** @param env settings of the agent beside its addresses */
export async function startWatchedChain(env) {
  const ports = await freePorts();
  const receiver = await OtlpServer.start({ traces: () => {} });
  const agent = await startAgent(
    {
      HAPROXY_OTEL_SPOP: `127.0.0.1:${ports.spop}`,
      HAPROXY_OTEL_RECORDS: `127.0.0.1:${ports.records}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      ...env,
    },
    ['--import', DELAY.href],
  );
  // The server costs little when it is HAProxy too.
  const haproxy = await Haproxy.start({
    ports,
    edit: (config) => `${config}
frontend server
    bind 127.0.0.1:${ports.server}
    http-request return status 200 content-type text/plain string ok
`,
  });
  return {
    ports,
    agent,
    stop: async () => {
      await haproxy.stop();
      await stop(agent.child);
      receiver.stop();
    },
  };
}
