#!/bin/sh
# Guess: `option httplog clf` is for tools that read Common Log Format, so such a parser reads its first fields and ignores
#        what HAProxy appends.
# Seen:  HAProxy 2.6.12 writes the referrer and the user agent as "", always, and clf-parser 0.0.2 wants a character between
#        quotes: its user agent is the client's port, milliseconds and frontend, and http_x_forwarded_for, the next in
#        quotes, is the backend's name. alpine 0.2.1 reads the line as it is.
# So:    addresses taken from that field are names of backends; use the first seven fields only.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund clf-parser@0.0.2 alpine@0.2.1

cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 1s
    log stdout format raw local0
    option httplog clf
frontend shop
    bind unix@$dir/socket
    default_backend carts
backend carts
    http-request return status 200 content-type text/plain string ok
END
haproxy -db -f haproxy.cfg >haproxy.log 2>notices &
haproxy=$!
until [ -S socket ]; do sleep 0.1; done
curl --silent --output answer --unix-socket socket http://clf/r
until grep 'GET /r' haproxy.log >line; do sleep 0.1; done

cat >run.cjs <<'END'
const parse = require('clf-parser');
const Alpine = require('alpine');
const line = require('node:fs').readFileSync('line', 'utf8').trim();
const read = parse(line);
console.log('clf-parser', read.path, read.status, 'referrer', JSON.stringify(read.http_referer), 'agent',
  JSON.stringify(read.http_user_agent.replace(/\d+/g, 'N')), 'for', JSON.stringify(read.http_x_forwarded_for));
const other = new Alpine().parseLine(line);
console.log('alpine', other.request, other.status, 'referrer', JSON.stringify(other['RequestHeader Referer']), 'agent',
  JSON.stringify(other['RequestHeader User-agent']));
END
cat >expected <<'END'
clf-parser /r 200 referrer "\"\"" agent "\" N N \"shop" for "carts"
alpine GET /r HTTP/1.1 200 referrer "" agent ""
END
node run.cjs | diff -u expected -
echo "as seen before: the backend is the client's address"
