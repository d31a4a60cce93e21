#!/bin/sh
# Guess: B3 ids without a decision ("X-B3-TraceId" and "X-B3-SpanId" alone, or "b3: trace-span") leave it to the next
#        server, as the B3 page says (deferred), so that one with the default sampler traces the request.
# Seen:  @opentelemetry/propagator-b3 2.12.0 reads them as "not sampled": the server does not trace, and sends
#        "X-B3-Sampled: 0" on, which denies it to all behind. zipkin 0.22.0 decides by its own sampler and sends 1.
# So:    a proxy that writes B3 ids writes the decision as well.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/propagator-b3@2.12.0 @opentelemetry/sdk-trace-base@2.12.1 zipkin@0.22.0

cat >run.cjs <<'END'
const { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter, trace } = require('@opentelemetry/api');
const { B3InjectEncoding, B3Propagator } = require('@opentelemetry/propagator-b3');
const { BasicTracerProvider } = require('@opentelemetry/sdk-trace-base');
const zipkin = require('zipkin');
const ids = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
const propagator = new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER });
const separate = { 'x-b3-traceid': ids[0], 'x-b3-spanid': ids[1] };
for (const headers of [separate, { b3: ids.join('-') }]) {
  const context = propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
  const span = new BasicTracerProvider().getTracer('server').startSpan('request', {}, context);
  const sent = {};
  propagator.inject(trace.setSpan(context, span), sent, defaultTextMapSetter);
  console.log('propagator-b3:', Object.keys(headers).join(), 'traced:', span.isRecording(), 'sends', sent['x-b3-sampled']);
}
const tracer = new zipkin.Tracer({ ctxImpl: new zipkin.ExplicitContext(), recorder: { record() {} }, localServiceName: 's' });
const server = new zipkin.Instrumentation.HttpServer({ tracer, port: 80 });
tracer.scoped(() => {
  const id = server.recordRequest('GET', 'http://server/', (name) => zipkin.option.fromNullable(separate[name.toLowerCase()]));
  const { headers } = zipkin.Request.addZipkinHeaders({ headers: {} }, id);
  console.log('zipkin: same trace:', id.traceId === ids[0], 'sends', headers['X-B3-Sampled']);
});
END
cat >expected <<'END'
propagator-b3: x-b3-traceid,x-b3-spanid traced: false sends 0
propagator-b3: b3 traced: false sends 0
zipkin: same trace: true sends 1
END
node run.cjs | diff -u expected -
echo "as seen before: no decision is a denial"
