#!/bin/sh
# Guess: recordException() sets exception.type to the name of the error: "TimeoutError" for AbortSignal.timeout(), "Error"
#        for a gRPC client's.
# Seen:  @opentelemetry/sdk-trace-base 2.12.1 prefers the error's `code`, if it has one: "23" for a TimeoutError, "20" for
#        an AbortError (the numbers that a DOMException has from long ago), "14" for gRPC's UNAVAILABLE, "ECONNREFUSED"
#        for a connection. Only an error without a code has its name there.
# So:    an alert by exception.type lists numbers as well; set the span's error.type yourself.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 @grpc/grpc-js@1.14.7

cat >run.cjs <<'END'
const { connect, createServer } = require('node:net');
const { Client, credentials } = require('@grpc/grpc-js');
const { BasicTracerProvider } = require('@opentelemetry/sdk-trace-base');
const span = new BasicTracerProvider().getTracer('t').startSpan('a');
function record(error) {
  span.recordException(error);
  console.log(error.name, '=>', span.events.at(-1).attributes['exception.type']);
}
(async () => {
  const timeout = AbortSignal.timeout(1);
  await new Promise((resolve) => {
    const alive = setTimeout(() => {}, 5000);
    timeout.addEventListener('abort', () => resolve(clearTimeout(alive)));
  });
  record(timeout.reason);
  const aborted = new AbortController();
  aborted.abort();
  record(aborted.signal.reason);
  const closed = createServer();
  await new Promise((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address();
  await new Promise((resolve) => closed.close(resolve));
  record(await new Promise((resolve) => connect(port, '127.0.0.1').on('error', resolve)));
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  record(await new Promise((resolve) => {
    client.makeUnaryRequest('/s/m', (bytes) => bytes, (bytes) => bytes, Buffer.alloc(0), resolve);
  }));
  client.close();
  record(new RangeError('no code'));
})();
END
cat >expected <<'END'
TimeoutError => 23
AbortError => 20
Error => ECONNREFUSED
Error => 14
RangeError => RangeError
END
node run.cjs | diff -u expected -
echo "as seen before: the type is the code"
