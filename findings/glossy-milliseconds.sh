#!/bin/sh
# Guess: glossy, which reads RFC 5424 well, writes it well.
# Seen:  glossy 0.1.7 writes milliseconds without their zeros in front: 4 ms is ".04", which is 40 ms, 40 ms is ".40",
#        and 0 is ".00". It reads back another time than it wrote.
# So:    times of lines made by it are wrong by up to 0.9 s in one of ten.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund glossy@0.1.7

cat >run.cjs <<'END'
const { Parse, Produce } = require('glossy');
for (const milliseconds of [0, 4, 40, 99, 400]) {
  const date = new Date(Date.UTC(2026, 10, 30, 1, 2, 3, milliseconds));
  const message = { facility: 'local0', severity: 'info', host: 'lb1', appName: 'app', message: 'm' };
  const line = new Produce({ type: 'RFC5424' }).produce({ ...message, date });
  console.log(milliseconds, line.split(' ')[1].slice(19), Parse.parse(line).time.getUTCMilliseconds());
}
END
cat >expected <<'END'
0 .00Z 0
4 .04Z 40
40 .40Z 400
99 .99Z 990
400 .400Z 400
END
node run.cjs | diff -u expected -
echo "as seen before: 4 ms are written as 40 ms"
