#!/bin/sh
# Runs the HAProxy suite on further versions of HAProxy, beside the installed one, which `npm test` uses:
# those of Debian 13 and of its next release. Arguments go to vitest; SUITE in them stands for the suite.
set -eu
cd "$(dirname "$0")/../.."

status=0
for suite in trixie sid; do
    sh test/haproxy/fetch-version.sh "$suite" ".cache/haproxy-$suite"
    arguments=$(printf '%s ' "$@" | sed "s/SUITE/$suite/g")
    # shellcheck disable=SC2086
    HAPROXY="$PWD/.cache/haproxy-$suite/haproxy" npm run --silent vitest -- test/haproxy $arguments || status=1
done
exit $status
