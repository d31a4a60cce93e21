#!/bin/sh
# Guess: a sketch that was sent as protobuf is the sketch that it was: count, sum, smallest, largest and quantiles.
# Seen:  @datadog/sketches-js 2.1.1 brings count and quantiles back; the sum is 0, the smallest Infinity and the largest
#        -Infinity, for the message has no fields for them. Nothing is raised.
# So:    a mean over what workers sent is 0; send the three beside the sketch.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @datadog/sketches-js@2.1.1 protobufjs@8.8.1

cat >run.cjs <<'END'
const { DDSketch } = require('@datadog/sketches-js');
const sketch = new DDSketch();
for (let i = 1; i <= 1000; i += 1) sketch.accept(i);
const show = (name, { count, sum, min, max }) => console.log(name, count, sum, min, max);
const received = DDSketch.fromProto(sketch.toProto());
show('made:', sketch);
show('received:', received);
console.log('median:', Math.round(sketch.getValueAtQuantile(0.5)), Math.round(received.getValueAtQuantile(0.5)));
const total = new DDSketch();
total.accept(5);
total.merge(received);
show('with one more of 5:', total);
END
cat >expected <<'END'
made: 1000 500500 1 1000
received: 1000 0 Infinity -Infinity
median: 498 498
with one more of 5: 1001 5 5 5
END
node run.cjs | diff -u expected -
echo "as seen before: the sum stays behind"
