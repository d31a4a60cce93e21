#!/bin/sh
# Guess: what the SDK sends as OTLP/JSON is what protobuf's JSON mapping allows: "NaN" and "Infinity" are strings, and
#        a 64-bit integer is one of at most 19 digits.
# Seen:  @opentelemetry/otlp-transformer 0.223.1 writes NaN and Infinity as null, which is "no value" there; 1e21 as
#        intValue 1e+21, which no int64 is; and an array of whole and broken numbers as two types in one array.
# So:    who receives OTLP/JSON from JavaScript has to bear a null doubleValue and an intValue out of range.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 \
    @opentelemetry/otlp-transformer@0.223.1

cat >run.cjs <<'END'
const otel = require('@opentelemetry/sdk-trace-base');
const { JsonTraceSerializer } = require('@opentelemetry/otlp-transformer');
const memory = new otel.InMemorySpanExporter();
const provider = new otel.BasicTracerProvider({
  spanProcessors: [new otel.SimpleSpanProcessor(memory)],
});
const attributes = { nan: NaN, infinite: -Infinity, large: 1e21, array: [1, 2.5] };
provider.getTracer('t').startSpan('s', { attributes }).end();
const json = Buffer.from(JsonTraceSerializer.serializeRequest(memory.getFinishedSpans()));
const [{ scopeSpans }] = JSON.parse(json).resourceSpans;
for (const { key, value } of scopeSpans[0].spans[0].attributes) {
  console.log(key, JSON.stringify(value));
}
console.log(String(json).includes('"intValue":1e+21'));
END
cat >expected <<'END'
nan {"doubleValue":null}
infinite {"doubleValue":null}
large {"intValue":1e+21}
array {"arrayValue":{"values":[{"intValue":1},{"doubleValue":2.5}]}}
true
END
node run.cjs | diff -u expected -
echo "as seen before: null for NaN, intValue 1e+21"
