#!/bin/sh
# Guess: zipkin-js, by the project that defined it, reads the single header "b3", which OpenTelemetry's B3 propagator
#        writes by default.
# Seen:  zipkin 0.22.0 does not look at it: the server starts a trace of its own, sampled or not by its own sampler. With
#        "X-B3-…" (B3InjectEncoding.MULTI_HEADER) it continues the trace.
# So:    towards such servers, set the encoding; a "b3" that denies is not obeyed either.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/propagator-b3@2.12.0 zipkin@0.22.0

cat >run.cjs <<'END'
const { ROOT_CONTEXT, TraceFlags, defaultTextMapSetter, trace } = require('@opentelemetry/api');
const { B3InjectEncoding, B3Propagator } = require('@opentelemetry/propagator-b3');
const { ExplicitContext, Instrumentation, Tracer, option } = require('zipkin');
const traceId = '0af7651916cd43dd8448eb211c80319c';
function run(name, injectEncoding, traceFlags) {
  const headers = {};
  const context = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: 'b7ad6b7169203331', traceFlags });
  new B3Propagator({ injectEncoding }).inject(context, headers, defaultTextMapSetter);
  const tracer = new Tracer({ ctxImpl: new ExplicitContext(), recorder: { record() {} }, localServiceName: 's', traceId128Bit: true });
  const server = new Instrumentation.HttpServer({ tracer, port: 80 });
  const byName = new Map(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]));
  tracer.scoped(() => {
    const id = server.recordRequest('GET', 'http://server/', (key) => option.fromNullable(byName.get(key.toLowerCase())));
    console.log(name, traceFlags, 'same trace:', id.traceId === traceId, 'sampled:', id.sampled.getOrElse(undefined));
  });
}
for (const flags of [TraceFlags.SAMPLED, TraceFlags.NONE]) {
  run('single', B3InjectEncoding.SINGLE_HEADER, flags);
  run('multi', B3InjectEncoding.MULTI_HEADER, flags);
}
END
cat >expected <<'END'
single 1 same trace: false sampled: true
multi 1 same trace: true sampled: true
single 0 same trace: false sampled: true
multi 0 same trace: true sampled: false
END
node run.cjs | diff -u expected -
echo "as seen before: the single header is not read"
