#!/bin/sh
# Guess: a parser of the PROXY protocol, version 2, separates the header, TLVs included, from what the client sent.
# Seen:  proxy-protocol-js 4.0.6 reads the addresses of what HAProxy writes, and leaves the TLVs (here a unique id, as
#        by `proxy-v2-options unique-id`) in front of the client's bytes, as their beginning.
# So:    a test server built with it works until a TLV is switched on.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund proxy-protocol-js@4.0.6

cat >run.cjs <<'END'
const { V2ProxyProtocol } = require('proxy-protocol-js');
// Signature; PROXY over TCP on IPv4, 19 bytes: 127.0.0.1:41290 to 127.0.0.1:18998; and a unique id of 4 bytes.
const head = '0d0a0d0a000d0a515549540a211100137f0000017f000001a14a4a36';
const tlvs = `050004${Buffer.from('id-1').toString('hex')}`;
const request = Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex');
const { proxyAddress, data } = V2ProxyProtocol.parse(Buffer.from(head + tlvs + request, 'hex'));
console.log('client', proxyAddress.sourcePort);
console.log('data', Buffer.from(data).toString('hex').slice(0, tlvs.length) === tlvs ? 'begins with the TLVs' : data);
END
cat >expected <<'END'
client 41290
data begins with the TLVs
END
node run.cjs | diff -u expected -
echo "as seen before: TLVs count as data"
