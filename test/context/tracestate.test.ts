import { describe, expect, test } from 'vitest';
import { propagateTracestate } from '../../src/context/tracestate.ts';

function propagate(value: string): string {
  return propagateTracestate(Buffer.from(value, 'latin1')).toString('latin1');
}

const members = (count: number): string =>
  Array.from({ length: count }, (_, i) => `k${i}=v`).join(',');

describe('passed on byte for byte', () => {
  test.each([
    'congo=t61rcWkgMzE',
    'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
    'a=1, b=2 ,\tc=3',
    'a=1,,b=2',
    'fw529a3039@dt=FfTe,0tenant@sys=x',
    'a=!"#$%&\'()*+-./:;<>?@[\\]^_`{|}~',
    `${'k'.repeat(256)}=v`,
    `k=${'v'.repeat(256)}`,
    members(32),
  ])('%s', (value) => expect(propagate(value)).toBe(value));
});

test.each([
  ['white space around the list', ' a=1,b=2\t', 'a=1,b=2'],
  ['empty members at its ends', ',,a=1,', 'a=1'],
  ['nothing but empty members', ' , ,\t', ''],
  ['nothing', '', ''],
  ['the newest of equal keys stays', 'a=1,b=2,a=3', 'a=1,b=2'],
])('%s', (_name, value, expected) => expect(propagate(value)).toBe(expected));

describe('dropped as a whole', () => {
  test.each([
    ['a key without value', 'a'],
    ['an empty value', 'a='],
    ['an empty key', '=1'],
    ['an upper-case key', 'A=1'],
    ['a key that starts with an underscore', '_a=1'],
    ['a space in the key', 'a b=1'],
    ['an equals sign in the value', 'a=1=2'],
    ['a tab in the value', 'a=1\t2'],
    ['a byte above 0x7e in the value', 'a=\xff'],
    ['a control character', 'a=\x00'],
    ['a key of 257 characters', `${'k'.repeat(257)}=v`],
    ['a value of 257 characters', `k=${'v'.repeat(257)}`],
    ['33 members', members(33)],
    ['one bad member among good ones', 'a=1,B=2,c=3'],
  ])('%s', (_name, value) => expect(propagate(value)).toBe(''));
});

describe('over 512 characters', () => {
  const long = `long=${'x'.repeat(200)}`;
  const short = (name: string): string => `${name}=${'y'.repeat(100)}`;

  test('members over 128 characters go first, wherever they stand', () => {
    const value = [long, short('a'), short('b'), short('c'), short('d')].join(',');
    expect(propagate(value)).toBe([short('a'), short('b'), short('c'), short('d')].join(','));
  });

  test('then whole members from the end', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const value = names.map(short).join(',');
    const result = propagate(value);
    expect(result).toBe(names.slice(0, 4).map(short).join(','));
    expect(result.length).toBeLessThanOrEqual(512);
  });
});
