#!/bin/sh
# Guess: a request whose caller has set "traceparent" by hand (a relay, a replay) has one such header with the
#        instrumentation of fetch: the span's, in place of the caller's, as the instrumentation of node:http does it.
# Seen:  @opentelemetry/instrumentation-undici 0.33.0 adds its own behind the other, and the fetch of Node 20 sends both. A
#        server in Node has "a, b" in one value, which @opentelemetry/core 2.12.1 does not read: the trace ends there, and
#        both the caller's and the span's id are lost. instrumentation-http 0.223.0 replaces it.
# So:    take the header off before fetch; a server that gets "a, b" should know that this is how it comes about.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 @opentelemetry/sdk-trace-node@2.12.0 \
    @opentelemetry/instrumentation-undici@0.33.0 @opentelemetry/instrumentation-http@0.223.0

cat >run.cjs <<'END'
const { ROOT_CONTEXT, defaultTextMapGetter, trace } = require('@opentelemetry/api');
const { W3CTraceContextPropagator } = require('@opentelemetry/core');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { UndiciInstrumentation } = require('@opentelemetry/instrumentation-undici');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const provider = new NodeTracerProvider();
provider.register();
for (const instrumentation of [
  new UndiciInstrumentation(),
  new HttpInstrumentation({ disableIncomingRequestInstrumentation: true }),
]) {
  instrumentation.setTracerProvider(provider);
  instrumentation.enable();
}
const http = require('node:http');
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
let client;
const server = http.createServer((request, response) => {
  const sent = request.headers.traceparent;
  const context = new W3CTraceContextPropagator().extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter);
  console.log(client, 'sends', sent.split(', ').length, 'the first is the caller\'s:', sent.startsWith(traceparent),
    'read:', trace.getSpanContext(context) !== undefined);
  response.end();
});
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/`;
  client = 'fetch';
  await (await fetch(url, { headers: { traceparent } })).text();
  client = 'http';
  await new Promise((resolve) => http.get(url, { headers: { traceparent }, agent: false }, (response) => response.resume().on('end', resolve)));
  server.close();
  server.closeAllConnections();
});
END
cat >expected <<'END'
fetch sends 2 the first is the caller's: true read: false
http sends 1 the first is the caller's: false read: true
END
node run.cjs | diff -u expected -
echo "as seen before: two headers, and no trace"
