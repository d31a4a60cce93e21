#!/bin/sh
# Guess: halog, which comes with HAProxy, skips as many words before the log line as its help says, 5 by default; for
#        lines of `log stdout format raw` that is `-s 0`, for RFC 5424 (7 words before the message) `-s 7`.
# Seen:  halog of HAProxy 2.6.12 skips four more than -s says: the default is what `-s 1` is, raw lines need `-s -4`,
#        and RFC 5424 `-s 3`. With any other number every line is a "parsing error", and the exit code is 0.
# So:    find the number by `-s N -st` on one line before believing that a log has no requests.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# As `option httplog` writes it.
raw='127.0.0.1:37688 [30/Nov/2026:06:19:07.110] f b/s1 0/0/0/1/1 200 73 - - ---- 1/1/0/0/0 0/0 "GET /r HTTP/1.1"'
syslog="Nov 30 06:19:07 lb1 haproxy[4711]: $raw"
rfc5424="<134>1 2026-11-30T06:19:07.111000+00:00 lb1 haproxy 4711 - - $raw"
understood() {
    for skip in default -5 -4 -3 -2 -1 0 1 2 3 4 5 6 7; do
        option="-s $skip"
        [ "$skip" != default ] || option=""
        # shellcheck disable=SC2086
        [ "$(echo "$2" | halog -q $option -st 2>log || echo failed)" != "200 1" ] || echo "$1 $skip"
    done
}
cat >expected <<'END'
raw -4
syslog default
syslog 1
rfc5424 3
END
{
    understood raw "$raw"
    understood syslog "$syslog"
    understood rfc5424 "$rfc5424"
} | diff -u expected -
echo "as seen before: -s counts from four"
