// What does it cost to cut a chunk into SPOP frames, and a ring's bytes into records?
import { RecordSplitter } from '../dist/records/splitter.js';
import { FrameSplitter } from '../dist/spop/splitter.js';
import { chunkOfRecords, notify, PLAIN } from './inputs.mjs';
import { measure } from './micro.mjs';

const TIMES = 64;
const frames = Buffer.concat(Array.from({ length: TIMES }, (_, i) => notify(i, 1, PLAIN)));
const records = chunkOfRecords(TIMES);
const frameSplitter = new FrameSplitter(65_536);
const recordSplitter = new RecordSplitter();
let sum = 0;
const sink = (_buffer, start, end) => {
  sum += end - start;
};

export const results = measure(import.meta.url, TIMES, {
  'split: a frame': () => frameSplitter.push(frames, sink),
  'split: a record': () => recordSplitter.push(records, sink),
});
if (sum === 0) throw new Error('nothing was split');
