#!/bin/sh
# Installs what the tests need beside Node and HAProxy: systemd's programs and debootstrap, from Debian.
set -eu

missing=""
command -v systemd-socket-activate >/dev/null || missing="$missing systemd"
command -v debootstrap >/dev/null || missing="$missing debootstrap"
[ -z "$missing" ] && exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -qq -y --no-install-recommends $missing >/dev/null
