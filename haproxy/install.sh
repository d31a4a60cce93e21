#!/bin/sh
# Installs Debian's HAProxy where there is none: the demo and the tests run the real thing.
set -eu

if command -v haproxy >/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "HAProxy 2.6 or later is needed and is not installed" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends haproxy >/dev/null
