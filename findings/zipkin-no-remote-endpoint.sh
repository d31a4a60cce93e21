#!/bin/sh
# Guess: a client span with peer.service or server.address has a remoteEndpoint in Zipkin, by which Zipkin draws the
#        dependency on what is not traced itself, a database say.
# Seen:  @opentelemetry/exporter-zipkin 2.12.1 never writes one: the attributes are tags and nothing else. A start time
#        with nanoseconds becomes a `timestamp` with a fraction, and a span under half a microsecond lasts 0, where
#        Zipkin's API has integers and a shortest duration of 1.
# So:    the graph has traced services only; round times to microseconds before.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 \
    @opentelemetry/exporter-zipkin@2.12.1

cat >run.cjs <<'END'
const { createServer } = require('node:http');
const { SpanKind } = require('@opentelemetry/api');
const { BasicTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin');
const server = createServer(async (request, response) => {
  for (const span of JSON.parse(Buffer.concat(await request.toArray()).toString())) {
    console.log(span.kind, span.remoteEndpoint, span.tags['peer.service'], span.tags['server.address'],
      'whole microseconds:', Number.isInteger(span.timestamp), 'duration:', span.duration);
  }
  response.writeHead(202).end();
});
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/api/v2/spans`;
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ZipkinExporter({ url }))] });
  const attributes = { 'peer.service': 'orders', 'server.address': 'db.example', 'server.port': 5432 };
  const span = provider.getTracer('t').startSpan('query', { kind: SpanKind.CLIENT, attributes, startTime: [1_796_000_000, 123_456_500] });
  span.end([1_796_000_000, 123_456_800]);
  await provider.shutdown();
  server.close();
  server.closeAllConnections();
});
END
cat >expected <<'END'
CLIENT undefined orders db.example whole microseconds: false duration: 0
END
node run.cjs | diff -u expected -
echo "as seen before: no remote endpoint"
