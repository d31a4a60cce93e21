#!/bin/sh
# Guess: an exponential histogram (base2, which OTLP and Prometheus' own native histograms both have) is on the Prometheus
#        page in some form: as buckets, or at least as a count and a sum.
# Seen:  @opentelemetry/exporter-prometheus 0.223.0 writes a TYPE line, "untyped", and no sample at all. Only who has set a
#        diagnostic logger, which by default there is none, is told: "Unrecognizable DataPointType: 1".
# So:    who switches the aggregation, for OTLP, in a process that is scraped as well loses the metric for the scraper.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-metrics@2.12.1 \
    @opentelemetry/exporter-prometheus@0.223.0

cat >run.cjs <<'END'
const { diag, DiagLogLevel } = require('@opentelemetry/api');
const { AggregationType, MeterProvider } = require('@opentelemetry/sdk-metrics');
const { PrometheusExporter, PrometheusSerializer } = require('@opentelemetry/exporter-prometheus');
const log = (text) => console.log('logged:', text);
diag.setLogger({ error: log, warn: log, info() {}, debug() {}, verbose() {} }, DiagLogLevel.ALL);
(async () => {
  for (const type of [AggregationType.EXPLICIT_BUCKET_HISTOGRAM, AggregationType.EXPONENTIAL_HISTOGRAM]) {
    const options = type === AggregationType.EXPONENTIAL_HISTOGRAM ? undefined : { boundaries: [1] };
    const reader = new PrometheusExporter({ preventServerStart: true });
    const views = [{ instrumentName: 'duration', aggregation: { type, options } }];
    const meter = new MeterProvider({ readers: [reader], views }).getMeter('m');
    meter.createHistogram('duration').record(0.5);
    const { resourceMetrics } = await reader.collect();
    const page = new PrometheusSerializer(undefined, false, undefined, true, true).serialize(resourceMetrics);
    console.log(page.split('\n').filter((line) => line !== '' && !line.startsWith('# HELP')).join('\n'));
  }
})();
END
cat >expected <<'END'
# TYPE duration histogram
duration_count 1
duration_sum 0.5
duration_bucket{le="1"} 1
duration_bucket{le="+Inf"} 1
logged: Unrecognizable DataPointType: 1 for metric "duration"
# TYPE duration untyped
END
node run.cjs | diff -u expected -
echo "as seen before: a type without a sample"
