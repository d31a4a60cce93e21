#!/bin/sh
# Guess: the server's span of a gRPC call that the client gave up has CANCELLED (1); and NOT_FOUND, an answer like 404, is
#        no error in a server's span, as the semantic conventions have it.
# Seen:  @opentelemetry/instrumentation-grpc 0.223.0 with @grpc/grpc-js 1.14.7: a call that answers after the client's
#        deadline is OK (0) in the server's span; a stream that the client cancels has no server's span at all, it is
#        never ended; NOT_FOUND is an error. The client's spans are right.
# So:    rates and errors of such a service are to be had from its callers' spans, or the proxy's.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-node@2.12.0 \
    @opentelemetry/sdk-trace-base@2.12.0 @opentelemetry/instrumentation-grpc@0.223.0 @grpc/grpc-js@1.14.7

cat >run.cjs <<'END'
const { setTimeout: sleep } = require('node:timers/promises');
const { SpanKind } = require('@opentelemetry/api');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { GrpcInstrumentation } = require('@opentelemetry/instrumentation-grpc');
const memory = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] });
provider.register();
const instrumentation = new GrpcInstrumentation();
instrumentation.setTracerProvider(provider);
instrumentation.enable();
const grpc = require('@grpc/grpc-js');
const same = (bytes) => bytes;
const method = (path, responseStream) => ({
  path, requestStream: false, responseStream,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
});
const methods = { missing: method('/s/missing', false), slow: method('/s/slow', false), stream: method('/s/stream', true) };
let answered;
const server = new grpc.Server();
server.addService(methods, {
  missing: (_, done) => done({ code: grpc.status.NOT_FOUND, details: 'no such thing' }),
  slow(_, done) {
    setTimeout(() => {
      done(null, Buffer.alloc(1));
      answered();
    }, 600);
  },
  stream(call) {
    call.write(Buffer.alloc(1));
    setTimeout(() => {
      call.end();
      answered();
    }, 600);
  },
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), async (_, port) => {
  const Client = grpc.makeGenericClientConstructor(methods, 's');
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  async function show(name, settled) {
    await settled;
    await sleep(300);
    for (const kind of [SpanKind.CLIENT, SpanKind.SERVER]) {
      const span = memory.getFinishedSpans().find((other) => other.kind === kind);
      console.log(name, SpanKind[kind], span ? `${span.attributes['rpc.grpc.status_code']} status ${span.status.code}` : 'no span');
    }
    memory.reset();
  }
  const end = () => new Promise((resolve) => { answered = resolve; });
  await show('missing', new Promise((resolve) => client.missing(Buffer.alloc(0), resolve)));
  const slow = end();
  client.slow(Buffer.alloc(0), new grpc.Metadata(), { deadline: Date.now() + 200 }, () => {});
  await show('slow', slow);
  const stream = end();
  const call = client.stream(Buffer.alloc(0)).on('error', () => {}).once('data', () => call.cancel());
  await show('stream', stream);
  client.close();
  server.forceShutdown();
});
END
cat >expected <<'END'
missing CLIENT 5 status 2
missing SERVER 5 status 2
slow CLIENT 4 status 2
slow SERVER 0 status 0
stream CLIENT 1 status 2
stream SERVER no span
END
node run.cjs | diff -u expected -
echo "as seen before: what the client gave up is OK, or nothing"
