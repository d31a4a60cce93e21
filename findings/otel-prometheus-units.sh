#!/bin/sh
# Guess: http.server.request.duration, in "s", is http_server_request_duration_seconds for Prometheus, as the compatibility
#        specification has it and dashboards ask; and bytes get "_bytes".
# Seen:  @opentelemetry/exporter-prometheus 0.223.0 appends "_total" to counters, but no unit to anything: the dashboards
#        are empty. The unit is in a comment only, as "s" and "By".
# So:    ask for both names, or rename by a view.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-metrics@2.12.1 \
    @opentelemetry/exporter-prometheus@0.223.0

cat >run.cjs <<'END'
const { MeterProvider } = require('@opentelemetry/sdk-metrics');
const { PrometheusExporter, PrometheusSerializer } = require('@opentelemetry/exporter-prometheus');
(async () => {
  const reader = new PrometheusExporter({ preventServerStart: true });
  const meter = new MeterProvider({ readers: [reader] }).getMeter('m');
  meter.createHistogram('http.server.request.duration', { unit: 's' }).record(0.1);
  meter.createCounter('sent', { unit: 'By' }).add(1);
  meter.createGauge('usage', { unit: '1' }).record(0.5);
  const { resourceMetrics } = await reader.collect();
  const page = new PrometheusSerializer(undefined, false, undefined, true, true).serialize(resourceMetrics);
  console.log(page.split('\n').filter((line) => /^(# UNIT|sent|usage|\w+_sum)/.test(line)).join('\n'));
})();
END
cat >expected <<'END'
# UNIT http_server_request_duration s
http_server_request_duration_sum 0.1
# UNIT sent_total By
sent_total 1
# UNIT usage 1
usage 0.5
END
node run.cjs | diff -u expected -
echo "as seen before: no unit in a name"
