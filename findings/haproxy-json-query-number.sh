#!/bin/sh
# Guess: json_query gives a number in a JSON body as it stands there, a whole one at least.
# Seen:  HAProxy 2.6.12 (3.0.11, 3.2.26, 3.4.7 likewise) gives six significant digits: 1700000000 is 1.7e+09. With
#        "int" whole numbers are right up to 2^53, nothing is given above, fractions are cut off, and 1e3 is 1. Digits
#        in quotes are right.
# So:    a rule on a timestamp, size or id asks for "int", or the sender quotes it, as OTLP/JSON does.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"

cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
    option http-buffer-request
frontend json
    bind unix@$dir/socket
    http-request return status 200 content-type text/plain lf-string '%[req.body,json_query("\$.n")] %[req.body,json_query("\$.n","int")]'
END
haproxy -db -f haproxy.cfg &
haproxy=$!
until [ -S socket ]; do sleep 0.1; done

cat >expected <<'END'
1.5 => 1.5 1
1234.5678 => 1234.57 1234
1700000000 => 1.7e+09 1700000000
1700000000123 => 1.7e+12 1700000000123
1700000000123456789 => 1.7e+18 
"1700000000123456789" => 1700000000123456789 1700000000123456789
1e3 => 1000 1
END
sed 's/ => .*//' expected | while read -r number; do
    echo "$number => $(curl --silent --unix-socket socket --data "{\"n\":$number}" http://json/)"
done | diff -u expected -
echo "as seen before: six digits, unless asked for an int"
