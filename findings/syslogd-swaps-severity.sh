#!/bin/sh
# Guess: the syslog server named syslogd reads <134>, local0.info as HAProxy sends it by default, as facility 16 and
#        severity 6, and its table of severities fits what it reads.
# Seen:  syslogd 1.1.2 has facility 6 and severity 16: each has the other's number, and no row of the table is 16.
#        Without a host, as HAProxy's `format local` has it, the host is the time of day.
# So:    a filter `severity <= 4` passes nothing from a local facility; swap them.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund syslogd@1.1.2

cat >run.cjs <<'END'
const { parser, Severity } = require('syslogd');
for (const host of ['lb1 ', '']) {
  const { facility, severity, hostname, tag, msg } = parser(`<134>Nov 30 06:19:07 ${host}haproxy[4711]: Proxy app started.`, {});
  console.log('facility', facility, 'severity', severity, 'host', hostname, 'tag', tag, 'text', msg);
}
console.log(Severity.INFORMATIONAL, Object.keys(Severity).length);
END
cat >expected <<'END'
facility 6 severity 16 host lb1 tag haproxy[4711] text Proxy app started.
facility 6 severity 16 host 06:19:07 tag haproxy[4711] text Proxy app started.
6 8
END
node run.cjs | diff -u expected -
echo "as seen before: facility and severity are swapped"
