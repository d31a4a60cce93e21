#!/bin/sh
# Guess: OTEL_EXPORTER_OTLP_HEADERS="cookie=a=1; b=2" sends the cookie as it stands: commas divide the headers, and what
#        is behind the first "=" is the value.
# Seen:  @opentelemetry/exporter-trace-otlp-http 0.223.1 sends "a=1": the list is read as baggage is, so that from a
#        semicolon on it is a property, which is dropped without a word. "=" in a value is kept, and %3B becomes ";".
# So:    percent-encode a value as a whole; a gateway that sees half a credential answers 401, which looks like a wrong one.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 \
    @opentelemetry/exporter-trace-otlp-http@0.223.1

cat >run.cjs <<'END'
const { createServer } = require('node:http');
const { BasicTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const server = createServer((request, response) => {
  console.log(request.headers.cookie, '|', request.headers['x-tenant']);
  request.resume().on('end', () => response.end('{}'));
});
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/v1/traces`;
  for (const list of ['cookie=a=1; b=2,x-tenant=7', 'cookie=a=1%3B b=2,x-tenant=7']) {
    process.env.OTEL_EXPORTER_OTLP_HEADERS = list;
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter({ url }))] });
    provider.getTracer('t').startSpan('a').end();
    await provider.shutdown();
  }
  server.close();
});
END
cat >expected <<'END'
a=1 | 7
a=1; b=2 | 7
END
node run.cjs | diff -u expected -
echo "as seen before: the value ends at the semicolon"
