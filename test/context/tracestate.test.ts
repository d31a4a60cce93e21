import { describe, expect, test } from 'vitest';
import { Tracestate } from '../../src/context/tracestate.ts';

/** One for all: state of one must not show in another. */
const tracestate = new Tracestate();

function read(value: string): boolean {
  // Between other bytes, as it lies in a frame.
  const bytes = Buffer.from(`x=1,${value},y=2`, 'latin1');
  return tracestate.read(bytes, 4, bytes.length - 4);
}

/** What goes upstream; empty where nothing does. */
function propagate(value: string): string {
  if (!read(value)) return '';
  const { bytes, start, end, isPlain } = tracestate;
  return isPlain ? bytes.toString('latin1', start, end) : tracestate.shortened().toString('latin1');
}

/** The same with the member `ot` changed. */
function mutate(value: string, ot: string): string {
  if (!read(value)) throw new Error(`malformed: ${value}`);
  return tracestate.changed('ot', ot).toString('latin1');
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

describe('mutated: section 3.5, "Mutating the tracestate Field"', () => {
  test.each([
    ['a new member is added to the left', 'a=1,b=2', 'th:8', 'ot=th:8,a=1,b=2'],
    ['a changed one is moved to the left', 'a=1,ot=th:c,b=2', 'th:8', 'ot=th:8,a=1,b=2'],
    ['an empty one is taken away', 'a=1, ot=th:c ,b=2', '', 'a=1,b=2'],
    ['the last one is taken away', 'ot=th:c', '', ''],
    ['the order of the others stays', 'z=1,ot=x:1,a=2,m=3', 'x:1', 'ot=x:1,z=1,a=2,m=3'],
    ['a duplicate is not sent twice', 'ot=th:1,a=1,ot=th:2', 'th:8', 'ot=th:8,a=1'],
  ])('%s', (_name, value, ot, expected) => expect(mutate(value, ot)).toBe(expected));

  test('a 33rd member replaces the rightmost', () => {
    const result = mutate(members(32), 'th:8').split(',');
    expect(result).toHaveLength(32);
    expect([result[0], result.at(-1)]).toEqual(['ot=th:8', 'k30=v']);
  });

  test('members go from the right where it gets longer than 512 characters', () => {
    const full = `a=${'x'.repeat(120)},b=${'x'.repeat(120)},c=${'x'.repeat(120)},d=${'x'.repeat(120)},e=${'x'.repeat(18)}`;
    expect(full).toHaveLength(512);
    expect(mutate(full, 'th:8')).toBe(`ot=th:8,${full.slice(0, full.indexOf(',e='))}`);
  });
});

test('the leftmost of equal keys is its value', () => {
  expect(read('a=1, ot=th:8;rv:x ,ot=no')).toBe(true);
  expect(tracestate.valueOf(Buffer.from('ot'))).toBe('th:8;rv:x');
  expect(tracestate.valueOf(Buffer.from('o'))).toBeUndefined();
  expect(tracestate.valueOf(Buffer.from('y'))).toBeUndefined();
});
