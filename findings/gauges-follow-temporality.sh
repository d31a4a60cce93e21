#!/bin/sh
# Guess: temporality is for sums and histograms: a gauge is exported with its last value while it is observed, whichever
#        is preferred, and no longer once its callback stops to observe a server that was removed.
# Seen:  @opentelemetry/sdk-metrics 2.12.1: with "cumulative", the default, the removed server's last value is sent for
#        ever, with the time of each export. With "delta" it is gone; but so is a gauge that was recorded once, as a
#        version or a limit at the start: it is in the first export, and in no other.
# So:    "still up" is no sign of life by default; under delta, observe constants in a callback.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-metrics@2.12.1

cat >run.cjs <<'END'
const { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
async function run(name, temporality) {
  const exporter = new InMemoryMetricExporter(temporality);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const meter = provider.getMeter('m');
  let servers = ['a', 'b'];
  meter.createObservableGauge('up').addCallback((result) => servers.forEach((server) => result.observe(1, { server })));
  meter.createGauge('limit').record(100);
  for (const time of ['first:', 'later:']) {
    await reader.forceFlush();
    servers = ['b'];
    const { metrics } = exporter.getMetrics().at(-1).scopeMetrics[0];
    const points = metrics.flatMap(({ descriptor, dataPoints }) => dataPoints.map(({ attributes }) => `${descriptor.name} ${attributes.server ?? ''}`.trim()));
    console.log(name, time, points.sort().join(', '));
  }
  await provider.shutdown();
}
(async () => {
  await run('cumulative', AggregationTemporality.CUMULATIVE);
  await run('delta', AggregationTemporality.DELTA);
})();
END
cat >expected <<'END'
cumulative first: limit, up a, up b
cumulative later: limit, up a, up b
delta first: limit, up a, up b
delta later: up b
END
node run.cjs | diff -u expected -
echo "as seen before: what a gauge sends depends on the temporality of sums"
