// What does it cost to make a HopRecord of a line, beside JSON.parse alone, and to drop one that is not sampled?
import { AccessLog, isUnsampled } from '../dist/records/access-log.js';
import { recordLine } from './inputs.mjs';
import { measure } from './micro.mjs';

const TIMES = 64;
const lines = (flags) => Array.from({ length: TIMES }, (_, i) => Buffer.from(recordLine(i, flags)));
const sampled = lines('03');
const unsampled = lines('02');
const log = new AccessLog();
let seen = 0;

export const results = measure(import.meta.url, TIMES, {
  'record: a HopRecord': () => {
    for (const line of sampled) seen += log.parse(line, 0, line.length).statusCode;
  },
  'record: JSON.parse alone': () => {
    for (const line of sampled) seen += JSON.parse(line.toString()).status;
  },
  'record: not sampled, dropped': () => {
    for (const line of unsampled) if (isUnsampled(line, 0, line.length)) seen += 1;
  },
});
if (seen === 0) throw new Error('nothing was read');
