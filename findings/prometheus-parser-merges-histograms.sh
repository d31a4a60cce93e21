#!/bin/sh
# Guess: a parser of Prometheus' text format gives the buckets, count and sum of each label set of a histogram.
# Seen:  parse-prometheus-text-format 1.1.1 does so for counters and gauges; of a histogram with labels, as prom-client
#        15.1.3 writes it, there is one entry without labels, count or sum: the buckets of the label set that comes last.
#        Without labels, all is there.
# So:    a check on "the" latency reads that of the route which was last to have its first request.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund prom-client@15.1.3 parse-prometheus-text-format@1.1.1

cat >run.cjs <<'END'
const { Counter, Histogram, Registry } = require('prom-client');
const parse = require('parse-prometheus-text-format');
(async () => {
  for (const labels of [{}, { route: '/a' }]) {
    const registry = new Registry();
    const options = { help: 'h', labelNames: ['route'], registers: [registry] };
    const counter = new Counter({ name: 'requests', ...options });
    const histogram = new Histogram({ name: 'seconds', buckets: [1], ...options });
    counter.inc(labels);
    histogram.observe(labels, 5);
    if (labels.route) {
      counter.inc({ route: '/b' });
      histogram.observe({ route: '/b' }, 0.5);
    }
    for (const { name, metrics } of parse(await registry.metrics())) console.log(name, JSON.stringify(metrics));
  }
})();
END
cat >expected <<'END'
requests [{"value":"1"}]
seconds [{"buckets":{"1":"0","+Inf":"1"},"count":"1","sum":"5"}]
requests [{"value":"1","labels":{"route":"/a"}},{"value":"1","labels":{"route":"/b"}}]
seconds [{"buckets":{"1":"1","+Inf":"1"}}]
END
node run.cjs | diff -u expected -
echo "as seen before: of all label sets, the last one's buckets"
