#!/bin/sh
# Guess: a gRPC call that HAProxy's `http-request reject` closes is UNAVAILABLE to the caller, as for a connection
#        that broke.
# Seen:  HAProxy 2.6.12 (3.0.11, 3.2.26, 3.4.7 too) ends the HTTP/2 stream with ENHANCE_YOUR_CALM, which @grpc/grpc-js
#        1.14.7 makes RESOURCE_EXHAUSTED: the status that OTLP has for a receiver out of quota, final without
#        RetryInfo. `http-request deny` with 403 is PERMISSION_DENIED, with 429 UNAVAILABLE, with 413 UNKNOWN.
# So:    RESOURCE_EXHAUSTED does not mean that a receiver has read the batch; answer OTLP that is too much with 429 or
#        503.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7

cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
frontend grpc
    bind unix@$dir/socket proto h2
    http-request reject if { path /rule/reject }
    http-request deny deny_status 403 if { path /rule/403 }
    http-request deny deny_status 413 if { path /rule/413 }
    http-request deny deny_status 429 if { path /rule/429 }
END
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
until [ -S socket ]; do sleep 0.1; done

cat >run.cjs <<'END'
const { Client, credentials, status } = require('@grpc/grpc-js');
const bytes = (value) => value;
async function call(path) {
  const client = new Client(`unix://${process.cwd()}/socket`, credentials.createInsecure());
  const deadline = { deadline: Date.now() + 20_000 };
  await new Promise((resolve) => {
    client.makeUnaryRequest(path, bytes, bytes, Buffer.from('x'), deadline, ({ code }) => {
      console.log(path, status[code]);
      resolve();
    });
  });
  client.close();
}
(async () => {
  for (const rule of ['403', '413', '429', 'reject']) await call(`/rule/${rule}`);
})();
END
cat >expected <<'END'
/rule/403 PERMISSION_DENIED
/rule/413 UNKNOWN
/rule/429 UNAVAILABLE
/rule/reject RESOURCE_EXHAUSTED
END
node run.cjs | diff -u expected -
echo "as seen before: rejected is RESOURCE_EXHAUSTED"
