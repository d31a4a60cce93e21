import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFinishMessage } from '../../src/records/finish-message.ts';
import { outcomeOf } from '../../src/records/termination.ts';
import { DataType } from '../../src/spop/constants.ts';
import { Writer } from '../../src/spop/writer.ts';
import { boolean, type Items, nothing, text, uint32 } from '../spop/frames.ts';
import { FIELDS, hopOf } from './lines.ts';

const ITEMS: Items = [
  ['hop', text(hopOf(1))],
  ['end', { type: DataType.INT64, value: 1_795_418_260_853_713n }],
  ['answered', { type: DataType.INT64, value: 1_795_418_260_807_872n }],
  ['received', { type: DataType.INT64, value: 1_795_418_260_807_572n }],
  ['status', uint32(200)],
  ['tls', boolean(true)],
  ['frontend', text('www')],
  ['server', text('app1')],
  ['server_address', { type: DataType.IPV4, value: Buffer.from([10, 0, 0, 9]) }],
  [
    'client_address',
    { type: DataType.IPV6, value: Buffer.from('20010db8000000000000000000000007', 'hex') },
  ],
  ['route', nothing],
  ['pathq', { type: DataType.BINARY, value: Buffer.from('/b?a=1') }],
];

function encode(items: Items): Buffer {
  const writer = new Writer();
  for (const [name, value] of items) {
    writer.string(name);
    writer.typedData(value);
  }
  return Buffer.from(writer.bytes());
}

test('typed data become the fields of a record', () => {
  const bytes = Buffer.concat([Buffer.from('##'), encode(ITEMS), Buffer.from('##')]);
  const record = parseFinishMessage(bytes, 2, bytes.length - 2);
  expect(record).toMatchObject({
    kind: 'http',
    hop: { traceId: hopOf(1).slice(0, 32) },
    start: 1_795_418_260_807_572,
    clientStart: 1_795_418_260_807_872,
    end: 1_795_418_260_853_713,
    tls: true,
    frontend: 'www',
    statusCode: 200,
    server: { name: 'app1', address: '10.0.0.9' },
    peer: { address: '2001:db8::7' },
    route: undefined,
    query: 'a=1',
    terminationState: undefined,
  });
  // It is sent when there are response headers: the server was tried, and answered.
  expect(record && outcomeOf(record)).toMatchObject({ triedServer: true, serverAnswered: true });
});

test('what is cut anywhere, or anything else, is no record and no error', () => {
  const whole = encode(ITEMS);
  for (let end = 0; end < whole.length; end += 1) {
    expect(() => parseFinishMessage(whole, 0, end)).not.toThrow();
  }
  expect(parseFinishMessage(whole, 0, whole.length - 1)).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      parseFinishMessage(Buffer.from(bytes), 0, bytes.length);
    }),
  );
});

test('the shipped engine names its arguments as the log line names its fields', () => {
  const engine = readFileSync(join(import.meta.dirname, '../../spoe/otel-finish.conf'), 'utf8');
  const names = [...engine.matchAll(/^ {4}args (hop=.*)$/gm)].flatMap(([, args = '']) =>
    args.split(' ').map((arg) => arg.slice(0, arg.indexOf('='))),
  );
  const own = ['hop', 'tls', 'start', 'redispatched', 'baggage'];
  expect(names.filter((name) => !(name in FIELDS) && !own.includes(name))).toEqual([]);
});
