#!/bin/sh
# Runs the whole suite on further versions, beside the installed ones, which `npm test` uses: on each later Node with
# long-term support, and there on a later HAProxy, that of Debian 13 and that of its next release.
#
# Arguments go to vitest, names of tests among them; SUITE in them stands for the suite of Debian.
set -eu
cd "$(dirname "$0")/.."

status=0
while read -r node suite; do
    sh test/fetch-node.sh "$node" ".cache/node-$node"
    sh test/end-to-end/fetch-version.sh "$suite" ".cache/haproxy-$suite"
    arguments=$(printf '%s ' "$@" | sed "s/SUITE/$suite/g")
    # Both under their own names as well: tests run the demo, and commands as README has them.
    # shellcheck disable=SC2086
    PATH="$PWD/.cache/node-$node/node_modules/.bin:$PWD/.cache/haproxy-$suite:$PATH" \
        HAPROXY="$PWD/.cache/haproxy-$suite/haproxy" \
        npm run --silent vitest -- $arguments </dev/null || status=1
done <<END
22 trixie
24 sid
END
exit $status
