// What does it cost to make a HopRecord of a line, and to drop one that is not sampled?

import { RecordHead } from '../dist/records/head.js';
import { RecordParser } from '../dist/records/record-parser.js';
import { recordLine } from './inputs.mjs';
import { measure } from './micro.mjs';

const TIMES = 64;

/** Lines as they lie in what a ring sent: the chunk, and where each of them starts and ends. */
function lines(flags) {
  const texts = Array.from({ length: TIMES }, (_, i) => recordLine(i, flags));
  let start = 0;
  const places = texts.map((text) => {
    const place = [start, start + text.length];
    start += text.length + 1;
    return place;
  });
  return { chunk: Buffer.from(texts.join('\n')), places };
}
const sampled = lines('03');
const unsampled = lines('02');
const log = new RecordParser();
const head = new RecordHead();
let seen = 0;

export const results = measure(import.meta.url, TIMES, {
  'record: a HopRecord': () => {
    const { chunk, places } = sampled;
    for (const [start, end] of places) seen += log.view(chunk, start, end).statusCode;
  },
  'record: not sampled, dropped': () => {
    const { chunk, places } = unsampled;
    for (const [start, end] of places) if (head.unsampledHop(chunk, start, end) !== -1) seen += 1;
  },
});
if (seen === 0) throw new Error('nothing was read');
