#!/bin/sh
# Guess: "PROXY UNKNOWN", which HAProxy writes (send-proxy, version 1) for a client on a unix socket, is a header without
#        addresses to a parser of the PROXY protocol, as version 2's LOCAL is.
# Seen:  @balena/proxy-protocol-parser 1.0.2 takes the words by their place: of what HAProxy 2.6.12 sends then it reads a
#        client over IPv6 whose address is a line end and whose port is NaN. Of a client over TCP it reads the addresses.
# So:    look at the second word before the parser does.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @balena/proxy-protocol-parser@1.0.2

cat >server.cjs <<'END'
const { createServer } = require('node:net');
const { decode } = require('@balena/proxy-protocol-parser');
createServer((connection) => {
  connection.once('data', (data) => {
    const { remoteFamily, remoteAddress, remotePort } = decode(data);
    const header = data.toString().split('\r\n')[0].replace(/\d+ \d+$/, 'N N');
    console.log(header, '=>', remoteFamily, JSON.stringify(remoteAddress), 'a port:', remotePort > 0);
    connection.end('HTTP/1.0 200 OK\r\n\r\n');
  });
}).listen('server');
END
node server.cjs >seen &
server=$!
cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend clients
    bind unix@$dir/socket
    default_backend app
backend app
    server app unix@$dir/server send-proxy
END
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
until [ -S socket ] && [ -S server ]; do sleep 0.1; done
curl --silent --output answer --unix-socket socket http://clients/
until [ -s seen ]; do sleep 0.1; done
cat >expected <<'END'
PROXY UNKNOWN => IPv6 "\r\n" a port: false
END
diff -u expected seen
echo "as seen before: the address is a line end"
