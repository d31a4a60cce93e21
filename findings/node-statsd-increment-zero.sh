#!/bin/sh
# Guess: increment('bytes', n) adds n, for an n of 0 as well.
# Seen:  node-statsd 0.1.1 adds 1 for 0 (and takes 1 off in decrement), so a counter of bytes, retries or errors grows
#        where nothing was. gauge() sends 0 as 0; hot-shots 17.1.1, which has the same methods, does so in all three.
# So:    call it only for n > 0.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund node-statsd@0.1.1 hot-shots@17.1.1

cat >run.cjs <<'END'
const { createSocket } = require('node:dgram');
const { StatsD } = require('node-statsd');
const HotShots = require('hot-shots');
const socket = createSocket('udp4');
const received = [];
socket.bind(0, '127.0.0.1', async () => {
  const { port } = socket.address();
  for (const [name, client] of [
    ['node-statsd', new StatsD('127.0.0.1', port)],
    ['hot-shots', new HotShots({ host: '127.0.0.1', port, maxBufferSize: 0 })],
  ]) {
    for (const method of ['increment', 'decrement', 'gauge']) {
      const message = new Promise((resolve) => socket.once('message', resolve));
      client[method]('n', 0);
      console.log(name, method, String(await message).trim());
    }
    client.close();
  }
  socket.close();
});
END
cat >expected <<'END'
node-statsd increment n:1|c
node-statsd decrement n:-1|c
node-statsd gauge n:0|g
hot-shots increment n:0|c
hot-shots decrement n:0|c
hot-shots gauge n:0|g
END
node run.cjs | diff -u expected -
echo "as seen before: nothing counts as one"
