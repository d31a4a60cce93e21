#!/bin/sh
# Guess: TraceIdRatioBased decides by the right-hand half of a trace id, where W3C Trace Context has the random bits, so
#        that every server that does so keeps the same traces.
# Seen:  @opentelemetry/sdk-trace-base 2.12.1 folds the whole id into 32 bits by exclusive or: what stands in the
#        left-hand half decides as much. Of 10,000 random ids that it keeps at 0.5, half are not kept by the right-hand
#        56 bits.
# So:    without the parent's decision, a proxy and a JavaScript server keep different traces at the same ratio.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1

cat >run.cjs <<'END'
const { ROOT_CONTEXT, TraceFlags } = require('@opentelemetry/api');
const { randomBytes } = require('node:crypto');
const { TraceIdRatioBasedSampler } = require('@opentelemetry/sdk-trace-base');
const sampler = new TraceIdRatioBasedSampler(0.5);
const keeps = (id) => sampler.shouldSample(ROOT_CONTEXT, id).decision === 2;
// The same right-hand half, twice.
console.log(keeps('80000000000000000000000000000001'), keeps('00000000000000010000000000000001'));
let kept = 0;
let both = 0;
while (kept < 10_000) {
  const id = randomBytes(16).toString('hex');
  if (!keeps(id)) continue;
  kept += 1;
  if (parseInt(id.slice(18, 20), 16) >= 0x80) both += 1;
}
console.log('kept by both:', Math.abs(both / kept - 0.5) < 0.05 ? 'about half' : both);
END
cat >expected <<'END'
false true
kept by both: about half
END
node run.cjs | diff -u expected -
echo "as seen before: two halves of the id decide"
