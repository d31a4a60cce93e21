#!/bin/sh
# Guess: every span with the status ERROR is red in Zipkin, which marks spans that have a tag "error".
# Seen:  @opentelemetry/exporter-zipkin 2.12.0 writes that tag only where the status has a description; a failed span
#        without one has "otel.status_code" alone. An event's attributes, and links, are not sent at all.
# So:    a status that should show in Zipkin needs a description.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/sdk-trace-base@2.12.1 @opentelemetry/exporter-zipkin@2.12.0

cat >run.cjs <<'END'
const { createServer } = require('node:http');
const { BasicTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin');
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    for (const { name, tags, annotations } of JSON.parse(body)) {
      console.log(name, JSON.stringify(tags.error), tags['otel.status_code'], JSON.stringify(annotations));
    }
    response.writeHead(202).end();
  });
});
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/api/v2/spans`;
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(new ZipkinExporter({ url }))],
  });
  for (const status of [{ code: 2 }, { code: 2, message: 'refused' }]) {
    const span = provider.getTracer('t').startSpan(status.message ?? 'without');
    span.addEvent('retry', { count: 2 }, 1_700_000_000_000);
    span.setStatus(status);
    span.end();
    await provider.forceFlush();
  }
  await provider.shutdown();
  server.close();
  server.closeAllConnections();
});
END
cat >expected <<'END'
without undefined ERROR [{"timestamp":1700000000000000,"value":"retry"}]
refused "refused" ERROR [{"timestamp":1700000000000000,"value":"retry"}]
END
node run.cjs | diff -u expected -
echo "as seen before: no description, no error"
