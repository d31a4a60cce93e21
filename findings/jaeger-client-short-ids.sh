#!/bin/sh
# Guess: "uber-trace-id" has a span id of 16 digits, and a trace id of 16 or 32, as OpenTelemetry's propagator writes
#        it.
# Seen:  jaeger-client 3.19.0 drops zeros in front of the ids that it makes: about one span id in 16 is shorter, one
#        in 256 by two digits. A trace id that it was given keeps its zeros.
# So:    a pattern or an ACL with fixed lengths loses one caller in sixteen, at random: accept 1 to 16 digits, and
#        pad.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund jaeger-client@3.19.0

cat >run.cjs <<'END'
const { initTracer, opentracing } = require('jaeger-client');
const tracer = initTracer(
  { serviceName: 's', sampler: { type: 'const', param: 0 }, reporter: { agentHost: '127.0.0.1', agentPort: 9 } },
  { logger: { info() {}, error() {} } },
);
const format = opentracing.FORMAT_HTTP_HEADERS;
const given = { 'uber-trace-id': '00007651916cd43dd8448eb211c80319:00000001916cd43d:0:1' };
const traceIds = new Set();
const lengths = new Map();
for (let count = 0; count < 20_000; count += 1) {
  const carrier = {};
  tracer.inject(tracer.startSpan('s', { childOf: tracer.extract(format, given) }).context(), format, carrier);
  const [traceId, spanId] = carrier['uber-trace-id'].split(':');
  traceIds.add(traceId);
  lengths.set(spanId.length, (lengths.get(spanId.length) ?? 0) + 1);
}
console.log('trace id', ...traceIds);
const share = lengths.get(15) / 20_000;
console.log('15 digits:', share > 1 / 20 && share < 1 / 13 ? 'about one in 16' : share, '14:', lengths.has(14));
tracer.close(() => process.exit());
END
cat >expected <<'END'
trace id 00007651916cd43dd8448eb211c80319
15 digits: about one in 16 14: true
END
node run.cjs | diff -u expected -
echo "as seen before: zeros in front are dropped"
