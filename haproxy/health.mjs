// Exit code 0 while the agent is healthy, for what asks by a command from inside its container. An answer that wants a
// token is one, too.
const address = process.env.HAPROXY_OTEL_ADMIN || '127.0.0.1:12347';

fetch(`http://${address}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(
  ({ status }) => process.exit(status < 500 ? 0 : 1),
  () => process.exit(1),
);
