#!/bin/sh
# Runs the suite on further versions, beside the installed ones, which `npm test` uses: on each later Node with long-term
# support, and there on a later HAProxy, that of Debian 13 and that of its next release; and what depends on HAProxy on
# the one after that, of experimental.
#
# Faults at random take a minute, and are run once, by `npm test`.
#
# Arguments go to vitest, names of tests among them, which stand in place of the folders below; SUITE in them stands for the
# suite of Debian.
set -eu
cd "$(dirname "$0")/.."

names=""
for argument in "$@"; do
    case $argument in -*) ;; *) names="$names $argument" ;; esac
done

status=0
while read -r node suite folders; do
    [ -z "$names" ] || folders=""
    for folder in $folders; do
        # A filter of vitest that fits nothing would run nothing, and be no failure.
        [ -d "$folder" ] || { echo "$folder is no folder of tests" >&2; exit 1; }
    done
    sh test/fetch-node.sh "$node" ".cache/node-$node"
    sh test/end-to-end/fetch-version.sh "$suite" ".cache/haproxy-$suite"
    arguments=$(printf '%s ' "$@" | sed "s/SUITE/$suite/g")
    # Both under their own names as well: tests run the demo, and commands as README has them.
    # shellcheck disable=SC2086
    PATH="$PWD/.cache/node-$node/node_modules/.bin:$PWD/.cache/haproxy-$suite:$PATH" \
        HAPROXY="$PWD/.cache/haproxy-$suite/haproxy" CHAOS_MINUTES=0 \
        npm run --silent vitest -- $folders $arguments </dev/null || status=1
done <<END
22 trixie
24 sid
22 experimental test/end-to-end test/haproxy test/wiring test/check
END
exit $status
