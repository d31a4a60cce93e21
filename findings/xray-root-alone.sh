#!/bin/sh
# Guess: a server behind an AWS load balancer continues the trace that the balancer starts: it sends "Root=1-…", or
#        "Root=1-…;Sampled=1", without a Parent where the client sent none.
# Seen:  @opentelemetry/propagator-aws-xray 2.2.0 extracts nothing unless all three are there, nor where Sampled is
#        "?" (the next hop may decide): the trace id is lost, and a new trace begins.
# So:    who writes this header for such a server writes a Parent, and 0 or 1.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/propagator-aws-xray@2.2.0

cat >run.cjs <<'END'
const { ROOT_CONTEXT, defaultTextMapGetter, trace } = require('@opentelemetry/api');
const { AWSXRayPropagator } = require('@opentelemetry/propagator-aws-xray');
const root = 'Root=1-0af76519-16cd43dd8448eb211c80319c';
const parent = 'Parent=b7ad6b7169203331';
for (const value of [
  root,
  `${root};Sampled=1`,
  `${root};${parent}`,
  `${root};${parent};Sampled=?`,
  `${root};${parent};Sampled=1`,
]) {
  const headers = { 'x-amzn-trace-id': value };
  const context = new AWSXRayPropagator().extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
  console.log(value.replaceAll(/=[0-9a-f-]{10,}/g, ''), trace.getSpanContext(context)?.traceId ?? 'nothing');
}
END
cat >expected <<'END'
Root nothing
Root;Sampled=1 nothing
Root;Parent nothing
Root;Parent;Sampled=? nothing
Root;Parent;Sampled=1 0af7651916cd43dd8448eb211c80319c
END
node run.cjs | diff -u expected -
echo "as seen before: a Root without a Parent or a decision is ignored"
