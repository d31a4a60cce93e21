#!/bin/sh
# Installs what the tests need beside what setup brings, from Debian: Chromium, systemd's programs, debootstrap; and
# Prometheus, which starts nothing as it is only unpacked into an ignored folder.
set -eu

cd "$(dirname "$0")/.."
prometheus=.cache/prometheus
missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v systemd-socket-activate >/dev/null || missing="$missing systemd"
command -v debootstrap >/dev/null || missing="$missing debootstrap"
[ -x "$prometheus/usr/bin/promtool" ] && [ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "Chromium, Prometheus, systemd and debootstrap are needed for the tests and are not installed" >&2
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
