#!/bin/sh
# Guess: a t-digest is exact where it has few values: of 99 requests of 1 ms and one of 1000 ms the median is 1 ms, and so
#        is the 90th percentile; the 99th may be anything between.
# Seen:  tdigest 0.1.3 has 11 ms and 810 ms, and so has a Summary of prom-client 15.1.3, which uses it. Equal values are one
#        centroid from the first on, and between two centroids it draws a straight line by weight. hdr-histogram-js 3.0.1
#        has 1 and 1. With 99 values that differ a little it is right.
# So:    not for times in whole milliseconds, of which most are equal: measure finer, or count in buckets.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund tdigest@0.1.3 prom-client@15.1.3 hdr-histogram-js@3.0.1

cat >run.cjs <<'END'
const { TDigest } = require('tdigest');
const { Registry, Summary } = require('prom-client');
const { build } = require('hdr-histogram-js');
(async () => {
  for (const [name, fraction] of [['equal', 0], ['different', 0.001]]) {
    const digest = new TDigest();
    const summary = new Summary({ name: 'ms', help: 'h', percentiles: [0.5, 0.9], registers: [new Registry()] });
    const histogram = build();
    for (let i = 0; i < 100; i += 1) {
      const milliseconds = (i === 99 ? 1000 : 1) + i * fraction;
      digest.push(milliseconds);
      summary.observe(milliseconds);
      histogram.recordValue(Math.floor(milliseconds));
    }
    const { values } = await summary.get();
    for (const quantile of [0.5, 0.9]) {
      const { value } = values.find(({ labels }) => labels.quantile === quantile);
      console.log(name, quantile, 'tdigest', Math.round(digest.percentile(quantile)), 'prom-client', Math.round(value),
        'hdr', histogram.getValueAtPercentile(quantile * 100));
    }
  }
})();
END
cat >expected <<'END'
equal 0.5 tdigest 11 prom-client 11 hdr 1
equal 0.9 tdigest 810 prom-client 810 hdr 1
different 0.5 tdigest 1 prom-client 1 hdr 1
different 0.9 tdigest 1 prom-client 1 hdr 1
END
node run.cjs | diff -u expected -
echo "as seen before: one slow request is in the median"
