#!/bin/sh
# Guess: a t-digest is exact where it has few values: of 99 requests of 1 ms and one of 1000 ms the median is 1 ms, and so
#        is the 90th percentile; the 99th may be anything between.
# Seen:  tdigest 0.1.3 has 11 ms and 810 ms. Equal values are one centroid from the first on, and between two centroids it
#        draws a straight line by weight. hdr-histogram-js 3.0.1 has 1 and 1. With 99 values that differ it is right.
# So:    not for times in whole milliseconds, of which most are equal; add a fraction to each, or count in buckets.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund tdigest@0.1.3 hdr-histogram-js@3.0.1

cat >run.cjs <<'END'
const { TDigest } = require('tdigest');
const { build } = require('hdr-histogram-js');
for (const [name, fraction] of [['equal', 0], ['different', 0.001]]) {
  const digest = new TDigest();
  const histogram = build();
  for (let i = 0; i < 100; i += 1) {
    const milliseconds = i === 99 ? 1000 : 1;
    digest.push(milliseconds + i * fraction);
    histogram.recordValue(milliseconds);
  }
  const of = (percent) => `p${percent} ${Math.round(digest.percentile(percent / 100))} (${histogram.getValueAtPercentile(percent)})`;
  console.log(name, of(50), of(90));
}
END
cat >expected <<'END'
equal p50 11 (1) p90 810 (1)
different p50 1 (1) p90 1 (1)
END
node run.cjs | diff -u expected -
echo "as seen before: one slow request is in the median"
