#!/bin/sh
# Guess: pino's time, in milliseconds, is the timestamp of the syslog line, which has room for microseconds.
# Seen:  pino-syslog 4.0.0 cuts it to the second, for RFC 5424, its default, as well: the lines of one second have no
#        order, and lie up to a second before the span that wrote them. The program's name is "-", not the logger's.
# So:    the exact time is the one in the JSON of the message.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund pino-syslog@4.0.0

cat >run.cjs <<'END'
const { spawnSync } = require('node:child_process');
const record = { level: 50, time: Date.UTC(2026, 10, 30, 6, 15, 15, 987), pid: 7, hostname: 'lb1', name: 'app', msg: 'm' };
const { stdout } = spawnSync(process.execPath, ['node_modules/pino-syslog/app.js'], {
  input: `${JSON.stringify(record)}\n`,
  encoding: 'utf8',
});
console.log(stdout.replace(/ \{.*/s, ''));
END
cat >expected <<'END'
<131>1 2026-11-30T06:15:15Z lb1 - 7 - -
END
node run.cjs | diff -u expected -
echo "as seen before: milliseconds are cut off"
