#!/bin/sh
# Guess: `%[rand,hex]` is eight hex digits of a random number, so that two of them make a span id.
# Seen:  HAProxy 2.6.12 (3.0.11, 3.2.26, 3.4.7 likewise) gives sixteen, the size of an integer there: the first eight
#        are zeros, for rand has 32 bits. It looks like a span id and has the entropy of half of one. The letters are
#        upper-case, which @opentelemetry/core 2.12.1 refuses in a traceparent.
# So:    take the id from uuid() (`uuid,sha1,bytes(0,8),hex,lower`).
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1

cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
frontend ids
    bind unix@$dir/socket
    http-request return status 200 content-type text/plain lf-string '%[rand,hex] %[uuid,sha1,bytes(0,8),hex,lower]'
END
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
until [ -S socket ]; do sleep 0.1; done

cat >run.cjs <<'END'
const { ROOT_CONTEXT, defaultTextMapGetter, trace } = require('@opentelemetry/api');
const { W3CTraceContextPropagator } = require('@opentelemetry/core');
const lines = require('node:fs').readFileSync(0, 'utf8').trim().split('\n').map((line) => line.split(' '));
for (const [column, name] of ['rand', 'uuid'].entries()) {
  const ids = lines.map((line) => line[column]);
  const read = ids.filter((id) => {
    const traceparent = `00-0af7651916cd43dd8448eb211c80319c-${id}-01`;
    const context = new W3CTraceContextPropagator().extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter);
    return trace.getSpanContext(context) !== undefined;
  });
  const digits = [...new Set(ids.map((id) => id.length))].join();
  console.log(name, digits, 'digits, half is zero:', ids.every((id) => /^0{8}/.test(id)), 'all are read:', read.length === ids.length);
}
END
cat >expected <<'END'
rand 16 digits, half is zero: true all are read: false
uuid 16 digits, half is zero: false all are read: true
END
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    echo "$(curl --silent --unix-socket socket http://ids/)"
done | node run.cjs | diff -u expected -
echo "as seen before: rand,hex is half an id"
