#!/bin/sh
# Guess: the second trace flag, "random" (W3C Trace Context, level 2: the right-hand half of the trace id is random, so
#        samplers may decide by it), goes with the trace id to every server: a child of a trace with flags 03 has 03.
# Seen:  @opentelemetry/sdk-trace-base 2.12.1 makes the flags of each span anew, 01 or 00; of a trace that it starts, whose
#        id is random, as well. A process that passes the header on without a span of its own keeps 03, and so does
#        tctx 0.2.6.
# So:    behind one such server, a sampler that relies on the flag has nothing to rely on.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/sdk-trace-base@2.12.1 tctx@0.2.6

cat >run.cjs <<'END'
const { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter, trace } = require('@opentelemetry/api');
const { W3CTraceContextPropagator } = require('@opentelemetry/core');
const { BasicTracerProvider } = require('@opentelemetry/sdk-trace-base');
const propagator = new W3CTraceContextPropagator();
const tracer = new BasicTracerProvider().getTracer('server');
function flagsSent(context) {
  const headers = {};
  propagator.inject(context, headers, defaultTextMapSetter);
  return headers.traceparent.slice(-2);
}
(async () => {
  const { parse } = await import('tctx/traceparent');
  for (const flags of ['03', '02']) {
    const traceparent = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`;
    const context = propagator.extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter);
    const child = trace.setSpan(context, tracer.startSpan('child', {}, context));
    console.log(flags, 'child:', flagsSent(child), 'passed on:', flagsSent(context), 'tctx:', String(parse(traceparent).child()).slice(-2));
  }
  console.log('root:', flagsSent(trace.setSpan(ROOT_CONTEXT, tracer.startSpan('root'))));
})();
END
cat >expected <<'END'
03 child: 01 passed on: 03 tctx: 03
02 child: 00 passed on: 02 tctx: 02
root: 01
END
node run.cjs | diff -u expected -
echo "as seen before: a span has no random flag"
