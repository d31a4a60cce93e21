#!/bin/sh
# Installs what the tests need beside what setup brings: Chromium, and Prometheus, which starts nothing as it is
# only unpacked into an ignored folder. From Debian.
set -eu

cd "$(dirname "$0")/.."
prometheus=.cache/prometheus
missing=""
command -v chromium >/dev/null || missing="$missing chromium"
[ -x "$prometheus/usr/bin/promtool" ] && [ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "Chromium and Prometheus are needed for the tests and are not installed" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null
fi
if [ ! -x "$prometheus/usr/bin/promtool" ]; then
    mkdir -p "$prometheus"
    (cd "$prometheus" && apt-get download -qq -o APT::Sandbox::User=root prometheus)
    dpkg -x "$prometheus"/prometheus_*.deb "$prometheus"
    rm "$prometheus"/prometheus_*.deb
fi
