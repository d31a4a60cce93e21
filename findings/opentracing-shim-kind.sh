#!/bin/sh
# Guess: through OpenTelemetry's OpenTracing shim, the tag "span.kind" is the span's kind, and a span that follows_from
#        another is in that one's trace.
# Seen:  @opentelemetry/shim-opentracing 2.11.0 keeps the tag as an attribute, and the kind is INTERNAL, so backends that go
#        by kind see no requests and no dependencies. follows_from is a link alone: the span begins a new trace. The tag
#        "error" does become the status.
# So:    a processor has to copy the kind; work handed to a queue by follows_from is to be found by links.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 \
    @opentelemetry/shim-opentracing@2.11.0 opentracing@0.14.7

cat >run.cjs <<'END'
const { SpanKind } = require('@opentelemetry/api');
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { TracerShim } = require('@opentelemetry/shim-opentracing');
const { Tags, followsFrom } = require('opentracing');
const memory = new InMemorySpanExporter();
const tracer = new TracerShim(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] }).getTracer('t'));
const request = tracer.startSpan('request', { tags: { [Tags.SPAN_KIND]: Tags.SPAN_KIND_RPC_SERVER } });
request.setTag(Tags.ERROR, true);
tracer.startSpan('child', { childOf: request }).finish();
tracer.startSpan('follower', { references: [followsFrom(request.context())] }).finish();
request.finish();
const spans = memory.getFinishedSpans();
const { traceId } = spans.find(({ name }) => name === 'request').spanContext();
for (const span of spans) {
  const { name, kind, attributes, status, links } = span;
  const same = span.spanContext().traceId === traceId;
  console.log(name, SpanKind[kind], attributes['span.kind'], 'status', status.code, 'same trace:', same, 'links:', links.length);
}
END
cat >expected <<'END'
child INTERNAL undefined status 0 same trace: true links: 0
follower INTERNAL undefined status 0 same trace: false links: 1
request INTERNAL server status 2 same trace: true links: 0
END
node run.cjs | diff -u expected -
echo "as seen before: every span is internal"
