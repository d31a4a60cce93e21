#!/bin/sh
# Guess: "X-Cloud-Trace-Context: trace/span;o=0" (not sampled) is handed on as not sampled, and a header without "o" is the
#        same to two libraries that read this header.
# Seen:  @opencensus/propagation-stackdriver 0.1.0 reads o=0 and writes the header without "o", and without "o" it reads
#        "sampled": the second server behind the one that decided against it samples.
#        @google-cloud/opentelemetry-cloud-trace-propagator 0.22.0 writes ";o=0", and reads no "o" as not sampled.
# So:    in a chain with such a server the rate of traces is not what the first one set.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund --ignore-scripts @opencensus/propagation-stackdriver@0.1.0 @opentelemetry/api@1.9.1 \
    @opentelemetry/core@2.12.1 @google-cloud/opentelemetry-cloud-trace-propagator@0.22.0

cat >run.cjs <<'END'
const { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter, trace } = require('@opentelemetry/api');
const { StackdriverFormat } = require('@opencensus/propagation-stackdriver');
const { CloudPropagator } = require('@google-cloud/opentelemetry-cloud-trace-propagator');
const name = 'x-cloud-trace-context';
const readers = {
  opencensus(header) {
    const context = new StackdriverFormat().extract({ getHeader: () => header });
    let sent;
    new StackdriverFormat().inject({ setHeader: (_, value) => { sent = value; } }, context);
    return [context.options, sent];
  },
  opentelemetry(header) {
    const context = new CloudPropagator().extract(ROOT_CONTEXT, { [name]: header }, defaultTextMapGetter);
    const headers = {};
    new CloudPropagator().inject(context, headers, defaultTextMapSetter);
    return [trace.getSpanContext(context).traceFlags, headers[name]];
  },
};
for (const [library, read] of Object.entries(readers)) {
  let header = '0af7651916cd43dd8448eb211c80319c/123;o=0';
  for (const server of ['first:', 'second:']) {
    const [sampled, sent] = read(header);
    console.log(library, server, sampled === 1 ? 'sampled' : 'not sampled', 'sends', sent.slice(32));
    header = sent;
  }
}
console.log('no o:', readers.opentelemetry('0af7651916cd43dd8448eb211c80319c/123')[0] === 1 ? 'sampled' : 'not sampled');
END
cat >expected <<'END'
opencensus first: not sampled sends /123
opencensus second: sampled sends /123;o=1
opentelemetry first: not sampled sends /123;o=0
opentelemetry second: not sampled sends /123;o=0
no o: not sampled
END
node run.cjs 2>log | diff -u expected -
echo "as seen before: a denial becomes a decision to sample"
