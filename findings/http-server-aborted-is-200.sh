#!/bin/sh
# Guess: the span of a server whose answer came too late for the proxy (HAProxy's `timeout server`, a 504 to the client)
#        has no status code, or an error: nothing was sent.
# Seen:  @opentelemetry/instrumentation-http 0.223.0 has status code 200 and no error: Node's default, which the handler
#        had not touched. The span ends when HAProxy 2.6.12 closes, so it is short, too: the slowest requests are quick
#        successes. A socket that the handler destroys is a 200 as well.
# So:    count failures at the proxy's span; in the server, watch `close` without `finish`.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-node@2.12.0 \
    @opentelemetry/sdk-trace-base@2.12.0 @opentelemetry/instrumentation-http@0.223.0

cat >server.cjs <<'END'
process.env.OTEL_SEMCONV_STABILITY_OPT_IN = 'http';
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const exporter = {
  export([{ attributes, status, duration }], done) {
    console.log(attributes['url.path'], 'span:', attributes['http.response.status_code'], 'status', status.code,
      'error.type', attributes['error.type'], duration[0] < 2 ? 'quick' : 'slow');
    done({ code: 0 });
  },
  async shutdown() {},
};
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
const instrumentation = new HttpInstrumentation();
instrumentation.setTracerProvider(provider);
instrumentation.enable();
require('node:http').createServer((request, response) => {
  if (request.url === '/destroyed') request.socket.destroy();
  else setTimeout(() => response.end('late'), 3000);
}).listen('server');
END
node server.cjs >spans &
server=$!
cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
    timeout server 300ms
    timeout connect 5s
    retries 0
frontend clients
    bind unix@$dir/socket
    default_backend app
backend app
    server app unix@$dir/server
END
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
until [ -S socket ] && [ -S server ]; do sleep 0.1; done
cat >expected <<'END'
/slow proxy: 504
/slow span: 200 status 0 error.type undefined quick
/destroyed proxy: 502
/destroyed span: 200 status 0 error.type undefined quick
END
for path in /slow /destroyed; do
    echo "$path proxy: $(curl --silent --output answer --write-out '%{http_code}' --unix-socket socket "http://clients$path")"
    until grep "^$path" spans; do sleep 0.1; done
done | diff -u expected -
echo "as seen before: what was never answered is a 200"
