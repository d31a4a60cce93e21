#!/bin/sh
# Guess: an OTLP/HTTP exporter that is told "503, Retry-After: 0" waits at least its own first backoff, so that a receiver
#        that is short of breath is asked again a second later, and the batch survives a restart of some seconds.
# Seen:  @opentelemetry/exporter-trace-otlp-http 0.223.0 takes the 0 in place of its backoff: all its retries are over in
#        well under a second, and the batch is gone. A date in the past, as a clock that is behind writes it, is a 0 too.
# So:    a gateway should send no Retry-After rather than 0; an exporter needs a floor.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 \
    @opentelemetry/exporter-trace-otlp-http@0.223.0

cat >run.cjs <<'END'
const { createServer } = require('node:http');
const { BasicTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
async function ask(name, retryAfter) {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume().on('end', () => {
      response.writeHead(503, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: 10_000 });
  const started = performance.now();
  const spans = [];
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ export: (s, done) => (spans.push(...s), done({ code: 0 })), shutdown: async () => {} })],
  });
  provider.getTracer('t').startSpan('a').end();
  await provider.forceFlush();
  const { code } = await new Promise((resolve) => exporter.export(spans, resolve));
  const seconds = (performance.now() - started) / 1000;
  const count = seconds < 1 ? requests : 'some';
  console.log(name, count, 'requests', seconds < 1 ? 'in under a second' : 'in seconds', code === 0 ? 'kept' : 'gone');
  server.closeAllConnections();
  server.close();
  await exporter.shutdown();
}
(async () => {
  await ask('none:', undefined);
  await ask('0:', '0');
  await ask('a date in the past:', 'Mon, 30 Nov 2020 09:00:00 GMT');
})();
END
cat >expected <<'END'
none: some requests in seconds gone
0: 6 requests in under a second gone
a date in the past: 6 requests in under a second gone
END
node run.cjs 2>/dev/null | diff -u expected -
echo "as seen before: Retry-After 0 leaves no time between retries"
