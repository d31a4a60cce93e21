#!/bin/sh
# Guess: url.path and url.query of a server's span are what the client asked for, as they stand in the request line and in
#        the proxy's log.
# Seen:  @opentelemetry/instrumentation-http 0.223.0 writes them as a browser's URL would have them: %20 in the query is
#        "+", "?debug" is "debug=", "~(1)" is encoded; "/a/../b" is "/b". Of "//static/a.js" the first part is taken for
#        a host, and the path is "/a.js". Escapes in the path stay.
# So:    to join spans with a proxy's log, use ids, not the URL.
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
  for (const path of ['/a?x=1', '/a?x=a%20b', '/a?debug', '/a?x=~(1)', '/a/../b', '//static/a.js', '/a%2fb']) {
    const options = { port: server.address().port, path, agent: false };
    await new Promise((resolve) => http.get(options, (response) => response.resume().on('end', resolve)));
    while (memory.getFinishedSpans().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const { attributes } = memory.getFinishedSpans()[0];
    console.log(path, '=>', attributes['url.path'], attributes['url.query']);
    memory.reset();
  }
  server.close();
});
END
cat >expected <<'END'
/a?x=1 => /a x=1
/a?x=a%20b => /a x=a+b
/a?debug => /a debug=
/a?x=~(1) => /a x=%7E%281%29
/a/../b => /b undefined
//static/a.js => /a.js undefined
/a%2fb => /a%2fb undefined
END
node run.cjs | diff -u expected -
echo "as seen before: the query is not the client's"
