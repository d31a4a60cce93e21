// What does it cost to walk a NOTIFY, argument by argument?
import { NotifyReader, readFrameHead } from '../dist/spop/decode.js';
import { Reader } from '../dist/spop/reader.js';
import { notify, PLAIN, WITH_CONTEXT } from './inputs.mjs';
import { measure } from './micro.mjs';

const TIMES = 64;
const reader = new Reader();
const cursor = new NotifyReader(reader);
let seen = 0;

function walk(bytes) {
  for (let i = 0; i < TIMES; i += 1) {
    reader.reset(bytes, 4, bytes.length);
    readFrameHead(reader);
    cursor.open();
    while (cursor.nextMessage()) while (cursor.nextArgument()) seen += 1;
  }
}

const plain = notify(1, 1, PLAIN);
const withContext = notify(1, 1, WITH_CONTEXT);
export const results = measure(import.meta.url, TIMES, {
  'decode: a NOTIFY without context': () => walk(plain),
  'decode: a NOTIFY with context': () => walk(withContext),
});
if (seen === 0) throw new Error('nothing was read');
