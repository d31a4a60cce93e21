// A haproxy.cfg: "remove" undoes what "add" did, and "add" done twice is done once.
import { UsageError } from '../../dist/settings.js';
import { filesOf, wire } from '../../dist/wiring/wire.js';
import { check, target } from './checks.mjs';
import { readingOf } from './configuration.fuzz.mjs';

const OPTIONS = [
  {},
  { tcp: '' },
  { trust: 'restart', lines: 'sampled', ratio: '0.01' },
  { propagators: 'b3,xray' },
  { attributes: 'tls,rule,cache,rtt,grpc', states: '' },
  { 'through-reload': '' },
  { 'access-log': 'json' },
];

export { seeds } from './configuration.fuzz.mjs';

export const fuzz = target((data) => {
  const [choice = 0] = data;
  const options = OPTIONS[choice % OPTIONS.length];
  const reading = readingOf(choice >> 3);
  const before = new Map([['haproxy.cfg', data.toString('latin1', 1)]]);
  const add = (texts) => wire(filesOf(texts), options, {}, reading, '/etc/haproxy').texts;
  const { clean } = filesOf(before);
  const once = add(before);
  check(same(filesOf(once).clean, clean), 'remove does not take back what add did');
  check(same(add(once), once), 'add done twice is not add done once');
}, UsageError);

const same = (one, other) => JSON.stringify([...one]) === JSON.stringify([...other]);
