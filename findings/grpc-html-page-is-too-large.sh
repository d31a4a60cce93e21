#!/bin/sh
# Guess: a gRPC call that a proxy answers with a page (200, text/html: maintenance, login) is UNKNOWN to the caller, for
#        the content type is not gRPC's, and the page is named in the details.
# Seen:  @grpc/grpc-js 1.14.7 reads the page as a message: its first byte is the flag, the next four are the length.
#        "<html>" is one of 1.75 GB, so the call is RESOURCE_EXHAUSTED, "Received message larger than max (1752460652 vs
#        4194304)": 1752460652 is "html". A page that begins "<!DOCTYPE" has another number. With 503 it is UNAVAILABLE.
# So:    four letters in such a number mean a page; never raise the limit for it. A proxy's page needs a 5xx status.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7

cat >run.cjs <<'END'
const { createServer } = require('node:http2');
const { Client, credentials, status } = require('@grpc/grpc-js');
async function call(httpStatus, page) {
  const server = createServer().on('stream', (stream) => {
    stream.respond({ ':status': httpStatus, 'content-type': 'text/html' });
    stream.end(page);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = new Client(`127.0.0.1:${server.address().port}`, credentials.createInsecure());
  const error = await new Promise((resolve) => {
    client.makeUnaryRequest('/s/m', (bytes) => bytes, (bytes) => bytes, Buffer.from('q'), resolve);
  });
  console.log(httpStatus, page.slice(0, 9), status[error.code], error.details);
  client.close();
  server.close();
}
(async () => {
  await call(200, '<html>back soon</html>');
  await call(200, '<!DOCTYPE html>back soon');
  await call(503, '<html>back soon</html>');
  const number = Buffer.alloc(4);
  number.writeUInt32BE(1752460652);
  console.log(number.toString());
})();
END
cat >expected <<'END'
200 <html>bac RESOURCE_EXHAUSTED Received message larger than max (1752460652 vs 4194304)
200 <!DOCTYPE RESOURCE_EXHAUSTED Received message larger than max (558124867 vs 4194304)
503 <html>bac UNAVAILABLE Received HTTP status code 503
html
END
node run.cjs | diff -u expected -
echo "as seen before: a page is a message that is too large"
