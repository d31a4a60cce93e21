#!/bin/sh
# Guess: OTEL_EXPORTER_OTLP_ENDPOINT=http://host/otlp?tenant=1, as a gateway's page says, has "/v1/traces" appended to its
#        path, and keeps its query behind that.
# Seen:  @opentelemetry/exporter-trace-otlp-http 0.223.0 appends to the text: "/otlp?tenant=1/v1/traces", so the path is the
#        gateway's own and the tenant is "1/v1/traces".
# So:    with this SDK a query belongs into OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which is taken as it is.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/exporter-trace-otlp-http@0.223.0

cat >run.cjs <<'END'
const { createServer } = require('node:http');
const server = createServer((request, response) => {
  console.log(request.url);
  request.resume().on('end', () => response.end());
});
server.listen(0, '127.0.0.1', async () => {
  const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
  const base = `http://127.0.0.1:${server.address().port}/otlp`;
  const send = (name, value) => {
    process.env[name] = value;
    const exporter = new OTLPTraceExporter();
    delete process.env[name];
    return new Promise((resolve) => exporter.export([], resolve)).then(() => exporter.shutdown());
  };
  await send('OTEL_EXPORTER_OTLP_ENDPOINT', base);
  await send('OTEL_EXPORTER_OTLP_ENDPOINT', `${base}?tenant=1`);
  await send('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', `${base}/v1/traces?tenant=1`);
  server.closeAllConnections();
  server.close();
});
END
cat >expected <<'END'
/otlp/v1/traces
/otlp?tenant=1/v1/traces
/otlp/v1/traces?tenant=1
END
node run.cjs | diff -u expected -
echo "as seen before: the path is appended behind the query"
