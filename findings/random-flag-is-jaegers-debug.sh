#!/bin/sh
# Guess: a program without an SDK that turns "traceparent" into "uber-trace-id" (it hands the context on by OpenTelemetry's
#        API, and starts no span) writes 01 for a sampled trace and 00 for another, whatever other flags W3C has.
# Seen:  @opentelemetry/propagator-jaeger 2.12.0 writes the flags as they are. Bit 2 is "random" in W3C (level 2), and
#        "debug" in Jaeger: keep this trace whatever the limits. So "-03", as tctx 0.2.6 makes it for each new trace, is a
#        debug trace to jaeger-client 3.19.0; and "-02", not sampled, is one as well.
# So:    between the two formats, only the lowest bit may pass.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/propagator-jaeger@2.12.0 jaeger-client@3.19.0 opentracing@0.14.7 tctx@0.2.6

cat >run.cjs <<'END'
const { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter } = require('@opentelemetry/api');
const { W3CTraceContextPropagator } = require('@opentelemetry/core');
const { JaegerPropagator } = require('@opentelemetry/propagator-jaeger');
const { ConstSampler, InMemoryReporter, Tracer } = require('jaeger-client');
const { FORMAT_HTTP_HEADERS } = require('opentracing');
const tracer = new Tracer('server', new InMemoryReporter(), new ConstSampler(false));
(async () => {
  const { make } = await import('tctx/traceparent');
  const ids = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';
  for (const traceparent of [`00-${ids}-01`, String(make()), `00-${ids}-02`, `00-${ids}-00`]) {
    const headers = {};
    const context = new W3CTraceContextPropagator().extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter);
    new JaegerPropagator().inject(context, headers, defaultTextMapSetter);
    const span = tracer.startSpan('request', { childOf: tracer.extract(FORMAT_HTTP_HEADERS, headers) });
    console.log(traceparent.slice(-2), '=>', headers['uber-trace-id'].slice(-2), 'debug:', span.context().isDebug());
  }
  tracer.close();
})();
END
cat >expected <<'END'
01 => 01 debug: false
03 => 03 debug: true
02 => 02 debug: true
00 => 00 debug: false
END
node run.cjs | diff -u expected -
echo "as seen before: random is debug"
