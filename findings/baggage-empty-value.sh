#!/bin/sh
# Guess: "baggage: tenant=" is a member with an empty value, as the W3C grammar has it (value = *baggage-octet), and
#        is handed on.
# Seen:  @opentelemetry/core 2.12.1 drops it when it reads, though an empty value that was set in the process is
#        written.
# So:    a member that only marks its presence needs a value, or it ends at the first JavaScript server.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1

cat >run.cjs <<'END'
const api = require('@opentelemetry/api');
const { W3CBaggagePropagator } = require('@opentelemetry/core');
const propagator = new W3CBaggagePropagator();
const read = propagator.extract(
  api.ROOT_CONTEXT,
  { baggage: 'tenant=,user=1' },
  api.defaultTextMapGetter,
);
console.log('read:', api.propagation.getBaggage(read).getAllEntries().map(([key]) => key).join());
const own = api.propagation.createBaggage({ tenant: { value: '' }, user: { value: '1' } });
const carrier = {};
propagator.inject(api.propagation.setBaggage(api.ROOT_CONTEXT, own), carrier, api.defaultTextMapSetter);
console.log('written:', carrier.baggage);
END
cat >expected <<'END'
read: user
written: tenant=,user=1
END
node run.cjs | diff -u expected -
echo "as seen before: an empty value is written, and not read"
