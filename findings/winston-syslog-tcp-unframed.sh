#!/bin/sh
# Guess: a sender of RFC 5424 over TCP frames its messages as RFC 6587 has it: a length before, or a newline behind.
# Seen:  winston-syslog 2.7.1 with `protocol: 'tcp4', type: '5424'` writes them one behind the other with nothing
#        between, so a receiver has one long line, until the connection is closed.
# So:    such a logger needs a datagram listener, or an `eol` of its own ("\n"), which works.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund winston@3.19.0 winston-syslog@2.7.1

cat >run.cjs <<'END'
const { createServer } = require('node:net');
const winston = require('winston');
const { Syslog } = require('winston-syslog');
function log(what, options) {
  return new Promise((resolve) => {
    let text = '';
    const server = createServer((socket) => {
      socket.on('data', (chunk) => {
        text += chunk;
        if (!text.includes('second')) return;
        const between = /first"\}([^<]*)<134>1/.exec(text)?.[1];
        console.log(what, 'between two messages:', JSON.stringify(between));
        socket.destroy();
        server.close();
        logger.close();
        resolve();
      });
    });
    let logger;
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      const to = { host: '127.0.0.1', port, protocol: 'tcp4', type: '5424', facility: 'local0' };
      logger = winston.createLogger({
        levels: winston.config.syslog.levels,
        transports: [new Syslog({ ...to, ...options })],
      });
      logger.info('first');
      logger.info('second');
    });
  });
}
log('by default,', {}).then(() => log('with eol,', { eol: '\n' })).then(() => process.exit());
END
cat >expected <<'END'
by default, between two messages: ""
with eol, between two messages: "\n"
END
node run.cjs | diff -u expected -
echo "as seen before: messages run together"
