#!/bin/sh
# Guess: a counter of HAProxy's own Prometheus service is a number; what a server does not count is 0 or absent.
# Seen:  HAProxy 2.6.12: `_total` series of a server without `check` are NaN (failed checks, up-down changes,
#        downtime), so one such server makes the sum over all of them NaN. The other servers have numbers, and its
#        state is UP 1.
# So:    sum what is a number: sum(x == x).
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'kill "$haproxy" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"

cat >haproxy.cfg <<END
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 1s
frontend metrics
    bind unix@$dir/socket
    http-request use-service prometheus-exporter
backend app
    server checked unix@$dir/nobody check inter 1h
    server unchecked unix@$dir/nobody
END
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
until [ -S socket ]; do sleep 0.1; done

cat >expected <<'END'
haproxy_server_check_failures_total{proxy="app",server="checked"} number
haproxy_server_check_failures_total{proxy="app",server="unchecked"} NaN
haproxy_server_check_up_down_total{proxy="app",server="checked"} number
haproxy_server_check_up_down_total{proxy="app",server="unchecked"} NaN
haproxy_server_downtime_seconds_total{proxy="app",server="checked"} number
haproxy_server_downtime_seconds_total{proxy="app",server="unchecked"} NaN
haproxy_server_status{proxy="app",server="unchecked",state="UP"} number
END
curl --silent --unix-socket socket http://metrics/metrics |
    grep -E '^haproxy_server_(check_failures|check_up_down|downtime_seconds)_total|^haproxy_server_status.*unchecked.*"UP"' |
    sed 's/ [0-9].*/ number/' | sort | diff -u expected -
echo "as seen before: NaN counters"
