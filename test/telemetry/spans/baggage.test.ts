import { expect, test } from 'vitest';
import type { HopRecord } from '../../../src/records/record.ts';
import { RecordParser } from '../../../src/records/record-parser.ts';
import { withBaggage } from '../../../src/telemetry/spans/baggage.ts';
import { hopOf, recordLine } from '../../records/lines.ts';

function attributesOf(baggage: string, keys: string[]): HopRecord['attributes'] | undefined {
  const line = Buffer.from(recordLine(hopOf(1), { baggage, own: { 'own:int': 1 } }));
  const record = new RecordParser().parse(line, 0, line.length);
  return record && withBaggage(record, keys).attributes;
}

test.each([
  ['the members that are named', 'a=1,b=2,c=3', ['a', 'c'], { a: '1', c: '3' }],
  [
    'decoded, without their properties',
    'a=x%20y;p=1 , b = "q"',
    ['a', 'b'],
    { a: 'x y', b: '"q"' },
  ],
  ['none that is not there', 'a=1', ['b'], {}],
  ['none that every object has', 'a=1', ['constructor', '__proto__'], {}],
  ['nothing of what is no baggage', ';;=,=,%zz', ['a', ''], {}],
])('%s', (_name, baggage, keys, expected) => {
  expect(attributesOf(baggage, keys)).toEqual({ own: 1, ...expected });
});
