#!/bin/sh
# Guess: HAProxy's `protobuf` and `ungrpc` find a nested field by its path, so that a rule can route OTLP by
#        service.name: protobuf(1.1.1.2.1), the value of the first attribute of the first resource.
# Seen:  on HAProxy 2.6.12 (and 3.0.11) only a path along the first field of each message is found: the attribute's
#        key (1.1.1.1), but not its value behind it (1.1.1.2.1), nor the scope's name behind the resource (1.2.1.1).
#        No error, an empty sample. 3.2.26 and 3.4.7 find all three.
# So:    a rule on OTLP's content needs 3.2.
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
frontend otlp
    bind unix@$dir/socket
    http-request return status 200 content-type text/plain lf-string "key=%[req.body,protobuf(1.1.1.1)] value=%[req.body,protobuf(1.1.1.2.1)] scope=%[req.body,protobuf(1.2.1.1)]\n"
END
haproxy -db -f haproxy.cfg &
haproxy=$!
until [ -S socket ]; do sleep 0.1; done

# ExportTraceServiceRequest: resource_spans { resource { attributes { key "k" value { string "v" } } }
#                                             scope_spans { scope { name "lib" } } }
printf '\012\025\012\012\012\010\012\001k\022\003\012\001v\022\007\012\005\012\003lib' >request
echo 'key=k value= scope=' >expected
curl --silent --unix-socket socket --data-binary @request http://otlp/v1/traces | diff -u expected -
echo "as seen before: only the first field of each message is found"
