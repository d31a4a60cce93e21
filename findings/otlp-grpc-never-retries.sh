#!/bin/sh
# Guess: the OTLP/gRPC exporter retries UNAVAILABLE with a growing pause, as the specification has it and as the exporter
#        over HTTP of the same release does with 503.
# Seen:  @opentelemetry/exporter-trace-otlp-grpc 0.223.1 makes one call and reports failure: no retry for UNAVAILABLE,
#        nor for RESOURCE_EXHAUSTED with a RetryInfo that asks for one after 0.2 s. The spans are gone, though seconds
#        of its timeout are left. exporter-trace-otlp-http 0.223.1 asks again.
# So:    a restart of the receiver costs every batch of that time; put a queue beside the program, or use HTTP.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 @grpc/grpc-js@1.14.7 \
    @opentelemetry/exporter-trace-otlp-grpc@0.223.1 @opentelemetry/exporter-trace-otlp-http@0.223.1

cat >run.cjs <<'END'
const { createServer } = require('node:http');
const { Server, ServerCredentials, Metadata, status } = require('@grpc/grpc-js');
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const grpc = require('@opentelemetry/exporter-trace-otlp-grpc');
const http = require('@opentelemetry/exporter-trace-otlp-http');
const memory = new InMemorySpanExporter();
new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] }).getTracer('t').startSpan('a').end();
const field = (number, bytes) => Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
// google.rpc.Status with the code 8 and one detail, a google.rpc.RetryInfo of 200,000,000 ns.
const retryInfo = Buffer.concat([
  Buffer.from([0x08, 8]),
  field(3, Buffer.concat([
    field(1, Buffer.from('type.googleapis.com/google.rpc.RetryInfo')),
    field(2, field(1, Buffer.from([0x10, 0x80, 0x84, 0xaf, 0x5f]))),
  ])),
]);
async function ask(exporter, name, count) {
  const { code } = await new Promise((resolve) => exporter.export(memory.getFinishedSpans(), resolve));
  console.log(name, count() === 1 ? 'one call' : 'some calls', code === 0 ? 'kept' : 'gone');
  await exporter.shutdown();
}
async function overGrpc(code, details) {
  let calls = 0;
  const server = new Server();
  server.addService({
    Export: {
      path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export', requestStream: false, responseStream: false,
      requestDeserialize: (bytes) => bytes, responseSerialize: (bytes) => bytes,
    },
  }, {
    Export: (_, done) => {
      calls += 1;
      const metadata = new Metadata();
      if (details) metadata.set('grpc-status-details-bin', details);
      if (calls === 1) done({ code, details: 'busy', metadata });
      else done(null, Buffer.alloc(0));
    },
  });
  const port = await new Promise((resolve) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound));
  });
  const exporter = new grpc.OTLPTraceExporter({ url: `http://127.0.0.1:${port}`, timeoutMillis: 8000 });
  await ask(exporter, `${status[code]}${details ? ' RetryInfo' : ''}:`, () => calls);
  server.forceShutdown();
}
async function overHttp() {
  let calls = 0;
  const server = createServer((request, response) => {
    calls += 1;
    request.resume().on('end', () => response.writeHead(calls === 1 ? 503 : 200).end());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/v1/traces`;
  await ask(new http.OTLPTraceExporter({ url, timeoutMillis: 8000 }), '503:', () => calls);
  server.close();
  server.closeAllConnections();
}
(async () => {
  await overGrpc(status.UNAVAILABLE);
  await overGrpc(status.RESOURCE_EXHAUSTED, retryInfo);
  await overHttp();
})();
END
cat >expected <<'END'
UNAVAILABLE: one call gone
RESOURCE_EXHAUSTED RetryInfo: one call gone
503: some calls kept
END
node run.cjs 2>log | diff -u expected -
echo "as seen before: one call, and the spans are gone"
