#!/bin/sh
# Guess: hdr_val() of a decimal header ("X-Runtime: 0.123", seconds) is its whole part, or nothing; and
#        `req.hdr(x-runtime),mul(1000)` makes milliseconds of it.
# Seen:  HAProxy 2.6.12 (3.0.11 too) counts the point as a digit worth -2: hdr_val() of 1.9 is 89, and of 0.123 -1877.
#        mul() cuts the fraction off before it multiplies: 0 and 1000. (3.2.26, 3.4.7: hdr_val() is the whole part.)
# So:    a limit on such a header (hdr_val(x-load) gt 80) fires at random; have the server send whole milliseconds.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"

cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
frontend headers
    bind unix@$dir/socket
    http-request return status 200 content-type text/plain lf-string '%[req.hdr_val(x-runtime)] %[req.hdr(x-runtime),mul(1000)]'
END
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
until [ -S socket ]; do sleep 0.1; done

cat >expected <<'END'
2 => 2 2000
1.9 => 89 1000
0.123 => -1877 0
END
sed 's/ => .*//' expected | while read -r seconds; do
    echo "$seconds => $(curl --silent --unix-socket socket --header "x-runtime: $seconds" http://headers/)"
done | diff -u expected -
echo "as seen before: the point is a digit"
