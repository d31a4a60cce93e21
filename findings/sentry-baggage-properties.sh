#!/bin/sh
# Guess: "baggage: tenant=1;ttl=60" (a value with a property) is tenant 1 to every reader; one that does not care for
#        properties drops them, or hands them on.
# Seen:  @sentry/core 11.12.0 reads the value "1;ttl=60", and writes it back percent-encoded, "1%3Bttl%3D60": from there on
#        the property is part of the value, to @opentelemetry/core 2.12.1 as well, which had read 1 before.
# So:    a rule on tenant fails behind such a server; leave properties out.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @sentry/core@11.12.0 @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1

cat >run.cjs <<'END'
const { objectToBaggageHeader, parseBaggageHeader } = require('@sentry/core');
const { ROOT_CONTEXT, defaultTextMapGetter, propagation } = require('@opentelemetry/api');
const { W3CBaggagePropagator } = require('@opentelemetry/core');
function tenant(baggage) {
  const context = new W3CBaggagePropagator().extract(ROOT_CONTEXT, { baggage }, defaultTextMapGetter);
  return propagation.getBaggage(context).getEntry('tenant').value;
}
const header = 'tenant=1;ttl=60,zone=a';
const rewritten = objectToBaggageHeader(parseBaggageHeader(header));
console.log('sentry reads', parseBaggageHeader(header).tenant, 'writes', rewritten);
console.log('opentelemetry reads', tenant(header), 'before and', tenant(rewritten), 'behind');
END
cat >expected <<'END'
sentry reads 1;ttl=60 writes tenant=1%3Bttl%3D60,zone=a
opentelemetry reads 1 before and 1;ttl=60 behind
END
node run.cjs | diff -u expected -
echo "as seen before: the property is in the value"
