// What does it cost to turn a NOTIFY into its ACK, from a chunk read to the one write?
import { Duplex } from 'node:stream';
import { Minter } from '../dist/context/mint.js';
import { Sampler } from '../dist/context/sampling.js';
import { Connection } from '../dist/spop/connection.js';
import { HELLO, notify, PLAIN, WITH_CONTEXT } from './inputs.mjs';
import { measure } from './micro.mjs';

const TIMES = 20;
let written = 0;

function connection(sampler) {
  const stream = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      written += chunk.length;
      done();
    },
  });
  const minter = new Minter(new Sampler(sampler));
  const limits = { maxFrameSize: 65_536, helloTimeout: 60_000, maxUnread: 1_048_576 };
  new Connection(stream, minter.handle, limits);
  stream.emit('data', HELLO);
  return (chunk) => stream.emit('data', chunk);
}

const chunk = (messages) =>
  Buffer.concat(Array.from({ length: TIMES }, (_, i) => notify(i, 1, messages)));
const plain = chunk(PLAIN);
const withContext = chunk(WITH_CONTEXT);
const always = connection({ name: 'parentbased_always_on', ratio: 1 });
const share = connection({ name: 'parentbased_probability', ratio: 0.1 });

export const results = measure(import.meta.url, TIMES, {
  'mint: without context': () => always(plain),
  'mint: with context and tracestate': () => always(withContext),
  'mint: without context, 10 % by probability': () => share(plain),
});
if (written === 0) throw new Error('nothing was answered');
