#!/bin/sh
# Installs what the demo and the tests need where it is missing: Debian's HAProxy, as they run the real thing, and the
# npm packages. Without a network it says so within seconds.
set -eu

cd "$(dirname "$0")/.."
# A user without root has no folder of Debian's HAProxy on the PATH.
[ -w / ] || PATH="$PATH:/usr/sbin:/sbin"

if ! command -v haproxy >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        echo "HAProxy 2.6 or later is needed and is not installed" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt="apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10"
    if ! { $apt update && $apt install -y --no-install-recommends haproxy >/dev/null; }; then
        echo "HAProxy 2.6 or later is needed, and apt-get could not install it: see above" >&2
        exit 1
    fi
fi

if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    # npm ci asks for hundreds of packages, each several times, before it gives up: one of them shows whether there is a
    # registry. Its errors are shown even if npm itself was started silently.
    network=""
    npm view selfsigned version --prefer-online --loglevel=error --fetch-retries=0 --fetch-timeout=10000 >/dev/null ||
        network=--offline
    # shellcheck disable=SC2086
    if ! npm ci --no-audit --no-fund --loglevel=error $network; then
        echo "The packages of package-lock.json are needed, and npm could not install them: see above" >&2
        exit 1
    fi
fi
