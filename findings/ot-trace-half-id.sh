#!/bin/sh
# Guess: a trace id of 128 bits goes through "ot-tracer-traceid" as it is: the propagator reads all 32 digits.
# Seen:  @opentelemetry/propagator-ot-trace 0.29.0 reads 32 digits and writes the last 16, so the next server
#        continues another trace, whose id is padded with zeros; and reads only the word "true" as sampled, not the 1
#        of B3.
# So:    behind such a server the first half of the id is gone: compare the second halves.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 \
    @opentelemetry/propagator-ot-trace@0.29.0

cat >run.cjs <<'END'
const api = require('@opentelemetry/api');
const { OTTracePropagator } = require('@opentelemetry/propagator-ot-trace');
const propagator = new OTTracePropagator();
function extract(headers) {
  return propagator.extract(api.ROOT_CONTEXT, headers, api.defaultTextMapGetter);
}
function show(what, context) {
  const { traceId, traceFlags } = api.trace.getSpanContext(context);
  console.log(what, traceId, traceFlags);
}
const headers = {
  'ot-tracer-traceid': '0af7651916cd43dd8448eb211c80319c',
  'ot-tracer-spanid': 'b7ad6b7169203331',
  'ot-tracer-sampled': 'true',
};
const first = extract(headers);
show('first server', first);
const onward = {};
propagator.inject(first, onward, api.defaultTextMapSetter);
show('second server', extract(onward));
show('sampled: 1', extract({ ...headers, 'ot-tracer-sampled': '1' }));
END
cat >expected <<'END'
first server 0af7651916cd43dd8448eb211c80319c 1
second server 00000000000000008448eb211c80319c 1
sampled: 1 0af7651916cd43dd8448eb211c80319c 0
END
node run.cjs | diff -u expected -
echo "as seen before: the id is halved on its way"
