#!/bin/sh
# Guess: a server behind a proxy that ends TLS ("X-Forwarded-Proto: https", or Forwarded) has url.scheme "https" in its
#        span, as the semantic conventions have it, or at least "http" with its own port.
# Seen:  @opentelemetry/instrumentation-http 0.223.0 takes the host of either header, and the port that goes with its
#        scheme, but not the scheme: the span is of "http" at shop.example, port 443.
# So:    a URL made of these three is wrong, and one cannot count plain requests by the scheme; it has to come from the
#        proxy's own span.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-node@2.12.0 \
    @opentelemetry/sdk-trace-base@2.12.0 @opentelemetry/instrumentation-http@0.223.0

cat >run.cjs <<'END'
process.env.OTEL_SEMCONV_STABILITY_OPT_IN = 'http';
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const memory = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] });
provider.register();
const instrumentation = new HttpInstrumentation({ disableOutgoingRequestInstrumentation: true });
instrumentation.setTracerProvider(provider);
instrumentation.enable();
const http = require('node:http');
const server = http.createServer((_, response) => response.end());
server.listen(0, '127.0.0.1', async () => {
  for (const headers of [
    { host: 'shop.example' },
    { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example' },
    { forwarded: 'proto=https;host=shop.example;for=192.0.2.1' },
    { forwarded: 'proto=https;host="shop.example:8443";for=192.0.2.1' },
  ]) {
    const options = { port: server.address().port, headers, agent: false };
    await new Promise((resolve) => http.get(options, (response) => response.resume().on('end', resolve)));
    while (memory.getFinishedSpans().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const { attributes } = memory.getFinishedSpans()[0];
    console.log(JSON.stringify(headers), attributes['url.scheme'], attributes['server.address'], attributes['server.port']);
    memory.reset();
  }
  server.close();
});
END
cat >expected <<'END'
{"host":"shop.example"} http shop.example 80
{"x-forwarded-proto":"https","x-forwarded-host":"shop.example"} http shop.example 443
{"forwarded":"proto=https;host=shop.example;for=192.0.2.1"} http shop.example 443
{"forwarded":"proto=https;host=\"shop.example:8443\";for=192.0.2.1"} http shop.example 8443
END
node run.cjs | diff -u expected -
echo "as seen before: http on port 443"
