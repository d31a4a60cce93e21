#!/bin/sh
# Installs what the tests need beside what setup brings, from Debian: Chromium, systemd's programs, debootstrap, OpenSSL; and
# Prometheus and libfaketime, which start nothing as they are only unpacked into ignored folders. Without a network it says so within
# seconds.
set -eu

cd "$(dirname "$0")/.."
# A user without root has no folder of HAProxy and debootstrap on the PATH.
[ -w / ] || PATH="$PATH:/usr/sbin:/sbin"
prometheus=.cache/prometheus
faketime=.cache/faketime
missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v systemd-socket-activate >/dev/null || missing="$missing systemd"
command -v debootstrap >/dev/null || missing="$missing debootstrap"
command -v openssl >/dev/null || missing="$missing openssl"
[ -x "$prometheus/usr/bin/promtool" ] && [ -d "$faketime/usr" ] && [ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "Chromium, Prometheus, libfaketime, systemd, debootstrap and OpenSSL are needed for the tests and are not installed" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt="apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10"
failed() {
    echo "Needed for the tests, and apt-get could not install it, see above:${missing:- prometheus, libfaketime}" >&2
    exit 1
}
$apt update || failed
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    $apt install -y --no-install-recommends $missing >/dev/null || failed
fi
if [ ! -x "$prometheus/usr/bin/promtool" ]; then
    mkdir -p "$prometheus"
    (cd "$prometheus" && $apt download -o APT::Sandbox::User=root prometheus) || failed
    dpkg -x "$prometheus"/prometheus_*.deb "$prometheus"
    rm "$prometheus"/prometheus_*.deb
fi
if [ ! -d "$faketime/usr" ]; then
    mkdir -p "$faketime"
    (cd "$faketime" && $apt download -o APT::Sandbox::User=root libfaketime) || failed
    dpkg -x "$faketime"/libfaketime_*.deb "$faketime"
    rm "$faketime"/libfaketime_*.deb
fi
