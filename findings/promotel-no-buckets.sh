#!/bin/sh
# Guess: a bridge from Prometheus' text to OTLP carries a histogram's buckets over, counted singly as OTLP has them, and
#        every sample whatever its labels are.
# Seen:  @platformatic/promotel 0.2.2 converts count and sum of what prom-client 15.1.3 writes, and one bucket, up to
#        infinity: no quantile can be had from it. A sample with a brace in a label, as in route="/users/{id}", is not
#        there at all. Nothing is raised.
# So:    compare the number of series on both sides before relying on such a bridge.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @platformatic/promotel@0.2.2 prom-client@15.1.3

cat >run.mjs <<'END'
import { convert, parse } from '@platformatic/promotel';
import { Counter, Histogram, Registry } from 'prom-client';
const registers = [new Registry()];
const seconds = new Histogram({ name: 'seconds', help: 'h', buckets: [0.5, 1], registers });
[0.1, 0.2, 0.7, 3].forEach((value) => seconds.observe(value));
const requests = new Counter({ name: 'requests', help: 'h', labelNames: ['route'], registers });
requests.inc({ route: '/users' });
requests.inc({ route: '/users/{id}' });
const text = await registers[0].metrics();
console.log(text.split('\n').filter((line) => /^(seconds_b|requests)/.test(line)).join('\n'));
for (const { name, histogram, sum } of convert(parse(text)).resource_metrics[0].scope_metrics[0].metrics) {
  for (const { count, bucket_counts, explicit_bounds } of histogram?.data_points ?? []) {
    console.log(name, 'count', count, 'buckets', bucket_counts, 'bounds', explicit_bounds);
  }
  for (const { attributes } of sum?.data_points ?? []) console.log(name, attributes[0].value.string_value);
}
END
cat >expected <<'END'
seconds_bucket{le="0.5"} 2
seconds_bucket{le="1"} 3
seconds_bucket{le="+Inf"} 4
requests{route="/users"} 1
requests{route="/users/{id}"} 1
seconds count 4 buckets [ 4 ] bounds []
requests /users
END
node run.mjs | diff -u expected -
echo "as seen before: no buckets, and no sample with a brace"
