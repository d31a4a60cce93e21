#!/bin/sh
# Guess: attributes that are one label to Prometheus ("http.route" and "http_route" both become http_route) are joined in
#        it, "a;b", as the compatibility specification has it; at worst one of them wins.
# Seen:  @opentelemetry/exporter-prometheus 0.223.0 writes the label twice in one sample. parse-prometheus-text-format
#        1.1.1 keeps the last one, so that of two series which differ in the first it has one.
# So:    spell an attribute in one way in all of a program, or rename it by a view.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-metrics@2.12.1 \
    @opentelemetry/exporter-prometheus@0.223.0 parse-prometheus-text-format@1.1.1

cat >run.cjs <<'END'
const parse = require('parse-prometheus-text-format');
const { MeterProvider } = require('@opentelemetry/sdk-metrics');
const { PrometheusExporter, PrometheusSerializer } = require('@opentelemetry/exporter-prometheus');
(async () => {
  const reader = new PrometheusExporter({ preventServerStart: true });
  const meter = new MeterProvider({ readers: [reader] }).getMeter('m');
  const counter = meter.createCounter('requests');
  counter.add(1, { 'http.route': '/a', http_route: '/x' });
  counter.add(2, { 'http.route': '/b', http_route: '/x' });
  const { resourceMetrics } = await reader.collect();
  const page = new PrometheusSerializer(undefined, false, undefined, true, true).serialize(resourceMetrics);
  console.log(page.split('\n').filter((line) => /^[^#]/.test(line)).join('\n'));
  for (const { labels, value } of parse(page).find(({ name }) => name === 'requests_total').metrics) console.log(labels, value);
})();
END
cat >expected <<'END'
requests_total{http_route="/a",http_route="/x"} 1
requests_total{http_route="/b",http_route="/x"} 2
{ http_route: '/x' } 2
END
node run.cjs | diff -u expected -
echo "as seen before: one label twice"
