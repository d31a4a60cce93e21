#!/bin/sh
# Guess: a response that breaks off in the middle (100 bytes announced, 1 sent) is an error in the client's span, whichever
#        client it is.
# Seen:  @opentelemetry/instrumentation-http 0.223.0 has 200 and no error, though the response has the event "error"
#        (ECONNRESET, "aborted"). instrumentation-undici 0.33.0 has an error, for the same of fetch.
# So:    for node:http, record the response's error yourself.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-node@2.12.0 \
    @opentelemetry/sdk-trace-base@2.12.0 @opentelemetry/instrumentation-http@0.223.0 @opentelemetry/instrumentation-undici@0.33.0

cat >run.cjs <<'END'
process.env.OTEL_SEMCONV_STABILITY_OPT_IN = 'http';
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { UndiciInstrumentation } = require('@opentelemetry/instrumentation-undici');
const memory = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] });
provider.register();
for (const instrumentation of [
  new UndiciInstrumentation(),
  new HttpInstrumentation({ disableIncomingRequestInstrumentation: true }),
]) {
  instrumentation.setTracerProvider(provider);
  instrumentation.enable();
}
const http = require('node:http');
const server = http.createServer((_, response) => {
  response.writeHead(200, { 'content-length': 100 });
  response.write('x');
  setTimeout(() => response.destroy(), 100);
});
async function show(client, error) {
  while (memory.getFinishedSpans().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const [{ attributes, status, events }] = memory.getFinishedSpans();
  console.log(client, 'error:', error, 'span:', attributes['http.response.status_code'], 'status', status.code, 'events', events.length);
  memory.reset();
}
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/`;
  await show('http', await new Promise((resolve) => {
    http.get(url, { agent: false }, (response) => response.resume().on('error', ({ code }) => resolve(code)));
  }));
  await show('fetch', await fetch(url).then((response) => response.text()).catch(({ cause }) => cause.code));
  server.close();
});
END
cat >expected <<'END'
http error: ECONNRESET span: 200 status 0 events 0
fetch error: UND_ERR_SOCKET span: 200 status 2 events 1
END
node run.cjs | diff -u expected -
echo "as seen before: half a response is a success"
