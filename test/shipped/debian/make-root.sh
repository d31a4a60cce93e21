#!/bin/sh
# Makes a load-balancer host of Debian's own packages, once: a root with systemd and HAProxy.
#
#     make-root.sh .cache/debian-root
set -eu

root=$1
if [ -e "$root/complete" ]; then
    exit 0
fi
rm -rf "$root"
# The mirror that this machine uses.
mirror=$(apt-cache policy libc6 | sed -n 's/^ *[0-9]* \(https\{0,1\}:[^ ]*debian\) .*main.*/\1/p' | head -n 1)
debootstrap --variant=minbase --include=systemd,haproxy bookworm "$root" "$mirror" >"$root.log" 2>&1 || {
    tail -n 20 "$root.log" >&2
    exit 1
}
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
# HAProxy is started by who configured it.
rm -f "$root"/etc/systemd/system/multi-user.target.wants/haproxy.service
touch "$root/complete"
