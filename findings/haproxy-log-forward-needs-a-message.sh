#!/bin/sh
# Guess: HAProxy's log-forward hands on any RFC 5424 message as it came. The message part is optional there (6: [SP
#        MSG]): structured data alone is a whole message.
# Seen:  HAProxy 2.6.12 (3.2.26 likewise) does not recognise a message without that part: all of it behind the
#        priority is the text of a new message, which has the time of forwarding and no host, and its last two bytes
#        are cut off.
# So:    what goes through log-forward needs a message part, one character is enough.
set -eu
haproxy -v | grep 'version 2\.6\.' >/dev/null || { echo "this was seen on HAProxy 2.6"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >run.mjs <<'END'
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';

const receiver = createSocket('udp4').bind(0, '127.0.0.1');
const sender = createSocket('udp4').bind(0, '127.0.0.1');
await Promise.all([once(receiver, 'listening'), once(sender, 'listening')]);
const free = createSocket('udp4').bind(0, '127.0.0.1');
await once(free, 'listening');
const { port } = free.address();
free.close();
await once(free, 'close');
writeFileSync(
  'haproxy.cfg',
  `log-forward relay
    dgram-bind 127.0.0.1:${port}
    log 127.0.0.1:${receiver.address().port} format rfc5424 local0
`,
);
const haproxy = spawn('haproxy', ['-db', '-f', 'haproxy.cfg'], { stdio: 'ignore' });

/** Sends it until it comes through: the first ones may be too early. */
async function forward(line) {
  const timer = setInterval(() => sender.send(line, port, '127.0.0.1'), 200);
  const [message] = await once(receiver, 'message');
  clearInterval(timer);
  return String(message).trimEnd();
}

const data = '<34>1 2003-10-11T22:14:15.003Z lb1 app 1 ID47 [a@32473 b="c"]';
for (const line of [`${data} x`, data]) {
  let forwarded = await forward(line);
  while (!forwarded.endsWith(line.slice(4, -2)) && forwarded !== line) forwarded = await forward(line);
  console.log(forwarded.replace(/^<34>1 2\d{3}-\S+\+00:00/, '<34>1 NOW'));
}
haproxy.kill();
receiver.close();
sender.close();
END
cat >expected <<'END'
<34>1 2003-10-11T22:14:15.003Z lb1 app 1 ID47 [a@32473 b="c"] x
<34>1 NOW - - - - - 1 2003-10-11T22:14:15.003Z lb1 app 1 ID47 [a@32473 b="c
END
timeout 30 node run.mjs | diff -u expected -
echo "as seen before: no message part, no message"
