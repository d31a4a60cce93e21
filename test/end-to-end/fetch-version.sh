#!/bin/sh
# Unpacks the HAProxy of another Debian suite, with all its libraries, beside the installed one:
#
#     fetch-version.sh trixie .cache/haproxy-trixie
#
# and writes DIR/haproxy, which runs it with that suite's own loader. Nothing is installed.
set -eu

suite=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
if [ -x "$dir/haproxy" ]; then
    exit 0
fi

# The mirror that this machine uses, with another suite in place of its own.
mirror=$(apt-cache policy libc6 | sed -n 's/^ *[0-9]* \(https\{0,1\}:[^ ]*debian\) .*main.*/\1/p' | head -n 1)
mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial"
: >"$dir/apt/status"
release="deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror"
echo "$release $suite main" >"$dir/apt/sources.list"
# experimental is no whole suite: only HAProxy comes from there, and what it needs from sid.
if [ "$suite" = experimental ]; then
    echo "$release sid main" >>"$dir/apt/sources.list"
    printf 'Package: haproxy\nPin: release a=experimental\nPin-Priority: 990\n' >"$dir/apt/preferences"
fi
apt() {
    apt-get -qq \
        -o Dir::Etc::SourceList="$dir/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences="$dir/apt/preferences" -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State="$dir/apt" -o Dir::State::status="$dir/apt/status" -o Dir::State::Lists="$dir/apt/lists" \
        -o Dir::Cache="$dir/apt" -o Dir::Cache::archives="$dir/apt/archives" \
        -o APT::Sandbox::User=root -o APT::Install-Recommends=false "$@"
}
apt update
apt install -y --download-only haproxy
for deb in "$dir"/apt/archives/*.deb; do
    dpkg -x "$deb" "$dir/root"
done
rm -rf "$dir/apt"

# Merged and unmerged /usr: the loader's path differs between suites.
loader=$(find "$dir/root" -name 'ld-linux-x86-64.so.2' -o -name 'ld-linux-aarch64.so.1' | head -n 1)
libraries=$(find "$dir/root" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd :)
# By its first argument a master process starts itself again when it is reloaded.
cat >"$dir/haproxy" <<EOF
#!/bin/sh
exec "$loader" --library-path "$libraries" --argv0 "$dir/haproxy" "$dir/root/usr/sbin/haproxy" "\$@"
EOF
chmod +x "$dir/haproxy"
"$dir/haproxy" -v | head -n 1
