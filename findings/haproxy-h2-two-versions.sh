#!/bin/sh
# Guess: in a log-format, capture.req.ver and capture.req.uri are what %HV and %HU are: of a request over HTTP/2, "HTTP/2.0"
#        and the path that the client asked for.
# Seen:  HAProxy 2.6.12 (3.0.11, 3.2.26 too): capture.req.ver is "HTTP/1.1" for HTTP/2, where %HV and req.ver have 2.0; and
#        %HU is a whole URL, with scheme and host, but capture.req.uri is the path. Over HTTP/1.1 they agree. On 3.4.7 the
#        versions do too, and the URLs do not.
# So:    count protocols by req.ver kept in a variable, and paths by capture.req.uri.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"

cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
    log stdout format raw local0
frontend versions
    bind unix@$dir/http1
    bind unix@$dir/http2 proto h2
    http-request set-var(txn.version) req.ver
    log-format "%HV %[capture.req.ver] %[var(txn.version)] %HU %[capture.req.uri]"
    http-request return status 200
END
haproxy -db -f haproxy.cfg >haproxy.log 2>notices &
haproxy=$!
until [ -S http1 ] && [ -S http2 ]; do sleep 0.1; done

cat >expected <<'END'
HTTP/1.1 HTTP/1.1 1.1 /a?b=c /a?b=c
HTTP/2.0 HTTP/1.1 2.0 http://shop.example/a?b=c /a?b=c
END
curl --silent --output answer --unix-socket http1 'http://shop.example/a?b=c'
curl --silent --output answer --unix-socket http2 --http2-prior-knowledge 'http://shop.example/a?b=c'
until [ "$(wc -l <haproxy.log)" -ge 2 ]; do sleep 0.1; done
diff -u expected haproxy.log
echo "as seen before: two versions and two URLs of one request"
