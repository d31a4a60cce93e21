#!/bin/sh
# Brings the newest release of a line of Node's, as npm has it, beside the installed one:
#
#     fetch-node.sh 24 .cache/node-24
#
# Its folder of programs, for the PATH, is DIR/node_modules/.bin. Nothing is installed.
set -eu

if [ ! -x "$2/node_modules/.bin/node" ]; then
    rm -rf "$2"
    npm install --prefix "$2" --no-audit --no-fund --silent "node@$1"
fi
"$2/node_modules/.bin/node" --version
