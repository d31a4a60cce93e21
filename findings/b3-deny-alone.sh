#!/bin/sh
# Guess: a proxy that sends "b3: 0", or "X-B3-Sampled: 0" with no ids, keeps every server behind it from tracing.
# Seen:  @opentelemetry/propagator-b3 2.12.0 extracts nothing from either, so a server with the default sampler starts
#        a new trace and samples it. The same decision with ids beside it is obeyed.
# So:    to silence a server that uses this SDK, ids must go with the decision.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/propagator-b3@2.12.0 @opentelemetry/sdk-trace-base@2.12.1

cat >run.cjs <<'END'
const { ROOT_CONTEXT, defaultTextMapGetter } = require('@opentelemetry/api');
const { B3Propagator } = require('@opentelemetry/propagator-b3');
const { BasicTracerProvider } = require('@opentelemetry/sdk-trace-base');
const tracer = new BasicTracerProvider().getTracer('server');
const ids = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
for (const headers of [
  { b3: '0' },
  { 'x-b3-sampled': '0' },
  { b3: `${ids.join('-')}-0` },
  { 'x-b3-traceid': ids[0], 'x-b3-spanid': ids[1], 'x-b3-sampled': '0' },
]) {
  const context = new B3Propagator().extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
  const recording = tracer.startSpan('request', {}, context).isRecording();
  console.log(Object.keys(headers).join(', '), recording ? 'is traced' : 'is not traced');
}
END
cat >expected <<'END'
b3 is traced
x-b3-sampled is traced
b3 is not traced
x-b3-traceid, x-b3-spanid, x-b3-sampled is not traced
END
node run.cjs | diff -u expected -
echo "as seen before: a denial without ids is not obeyed"
