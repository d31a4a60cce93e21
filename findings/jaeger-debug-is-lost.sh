#!/bin/sh
# Guess: "uber-trace-id" with the flags 3 (sampled and debug: keep this trace whatever the limits) keeps them through
#        an OpenTelemetry server, and "jaeger-baggage", with which one sends baggage by hand, is read.
# Seen:  @opentelemetry/propagator-jaeger 2.12.0 keeps sampled alone and hands on 01; jaeger-client 3.19.0 hands on 3.
#        The baggage header is read by jaeger-client alone.
# So:    a debug trace is one of many from the first OpenTelemetry server on.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/propagator-jaeger@2.12.0 jaeger-client@3.19.0

cat >run.cjs <<'END'
const api = require('@opentelemetry/api');
const { JaegerPropagator } = require('@opentelemetry/propagator-jaeger');
const { initTracer, opentracing } = require('jaeger-client');
const headers = {
  'uber-trace-id': '0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:3',
  'jaeger-baggage': 'tenant=42',
};
const propagator = new JaegerPropagator();
const context = propagator.extract(api.ROOT_CONTEXT, headers, api.defaultTextMapGetter);
const onward = {};
propagator.inject(context, onward, api.defaultTextMapSetter);
console.log(
  'OpenTelemetry:',
  onward['uber-trace-id'].split(':')[3],
  api.propagation.getBaggage(context)?.getEntry('tenant')?.value,
);
const tracer = initTracer(
  { serviceName: 's', sampler: { type: 'const', param: 0 }, reporter: { agentHost: '127.0.0.1', agentPort: 9 } },
  { logger: { info() {}, error() {} } },
);
const format = opentracing.FORMAT_HTTP_HEADERS;
const span = tracer.startSpan('s', { childOf: tracer.extract(format, headers) });
const further = {};
tracer.inject(span.context(), format, further);
console.log('jaeger-client:', further['uber-trace-id'].split(':')[3], span.getBaggageItem('tenant'));
tracer.close(() => process.exit());
END
cat >expected <<'END'
OpenTelemetry: 01 undefined
jaeger-client: 3 42
END
node run.cjs | diff -u expected -
echo "as seen before: debug and jaeger-baggage end at the first OpenTelemetry server"
