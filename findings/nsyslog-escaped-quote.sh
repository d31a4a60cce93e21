#!/bin/sh
# Guess: a parser of RFC 5424 that reads the examples of section 6.5 reads an escaped quote in a parameter (6.3.3) as
#        well, as HAProxy's %{+E} writes it, and NILVALUE as "not known".
# Seen:  nsyslog-parser 0.10.1 reads the plain line. With one \" in a value all structured data is part of the message
#        and none of it data; a timestamp of "-" becomes the time of reading, and other NILVALUEs the text "-".
# So:    behind it, test with a request that has a quote in it, not with a plain one.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund nsyslog-parser@0.10.1

cat >run.cjs <<'END'
const parse = require('nsyslog-parser');
const line = (time, data) => `<134>1 ${time} lb1 haproxy 4711 - ${data} GET /`;
const time = '2026-11-30T10:00:00.123456+00:00';
for (const data of ['[otel@32473 path="/a"]', '[otel@32473 path="/\\"a"]']) {
  const { structuredData, message } = parse(line(time, data));
  console.log(data, '=>', JSON.stringify(structuredData), message);
}
const { ts, messageid } = parse(line('-', '-'));
console.log('time is now:', Math.abs(ts - Date.now()) < 60_000, 'message id:', messageid);
END
cat >expected <<'END'
[otel@32473 path="/a"] => [{"$id":"otel@32473","path":"/a"}] GET /
[otel@32473 path="/\"a"] => [] [otel@32473 path="/\"a"] GET /
time is now: true message id: -
END
node run.cjs | diff -u expected -
echo "as seen before: one escaped quote, and the structured data is text"
