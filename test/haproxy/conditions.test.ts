import { describe, expect, test } from 'vitest';
import { type ConditionFacts, decide } from '../../src/haproxy/conditions.ts';
import { lex } from '../../src/haproxy/lexer.ts';
import { findProgram } from '../../src/haproxy/program.ts';
import { isAtLeast, parseVersion } from '../../src/haproxy/version.ts';
import { HAPROXY } from '../end-to-end/chain.ts';
import { noticesOf } from './notices.ts';

const VARIABLES: Readonly<Record<string, string>> = { SITE: 'berlin', EMPTY: '' };
const program = findProgram(HAPROXY, process.env);
const facts: ConditionFacts = {
  version: program?.version,
  features: program?.features,
  lookup: (name) => VARIABLES[name],
};

const CONDITIONS = [
  '',
  '0',
  '1',
  '-3',
  '!0',
  '! 1',
  '!!1',
  'defined(SITE)',
  'defined(EMPTY)',
  'defined( SITE )',
  'defined(NOPE)',
  '!defined(NOPE)',
  'streq(a,a)',
  'streq(a, a)',
  'streq(\\"a,b\\",\\"a,b\\")',
  'streq("$SITE",berlin)',
  'strneq(a,b)',
  'version_atleast(2.6)',
  'version_atleast(2)',
  'version_atleast(9.9)',
  'version_before(2.8)',
  'version_before(3.1)',
  'version_before(2.6-dev3)',
  'version_atleast(2.6.12)',
  'version_atleast(2.6.13)',
  'version_before(3.0.12)',
  'version_atleast(3.2-dev1)',
  'feature(OPENSSL)',
  'feature(LUA) && feature(51DEGREES)',
  'feature(SSL)',
  '0 || 1',
  '1 && 0 || 1',
  '1 || 1 && 0',
  '1 && ( 0 || 1 )',
  '!( 0 || 1 ) || defined(SITE)',
  '(((1)))',
  '!(1 && 1) && 1',
];

describe('the real HAProxy decides in the same way', () => {
  const lines = CONDITIONS.map((text) => `.if ${text}\n.notice yes\n.else\n.notice no\n.endif`);
  const said = noticesOf(`${lines.join('\n')}\n`, VARIABLES);

  test.each(CONDITIONS.map((text, index) => [text, index] as const))('%s', (text, index) => {
    const taken = said.get(5 * index + 2)?.text === 'yes';
    const left = said.get(5 * index + 4)?.text === 'no';
    expect(taken).not.toBe(left);
    const { words } = lex(text, facts.lookup);
    expect(decide(words.join(' '), facts)).toBe(taken);
  });
});

test.each([
  ['enabled(EPOLL)', 'undecided'],
  ['!enabled(EPOLL)', 'undecided'],
  ['enabled(EPOLL) && 0', false],
  ['enabled(EPOLL) || 1', true],
  ['ssllib_name_startswith(OpenSSL)', 'undecided'],
  ['something_new(1)', 'undecided'],
  ['strstr(foobar,oba)', true],
  ['strstr(foobar,x)', false],
  ['(1', undefined],
  ['1 &&', undefined],
  ['1 1', undefined],
  ['defined(X', undefined],
])('%s: %s', (text, verdict) => expect(decide(text, facts)).toBe(verdict));

test('without a version what depends on it is undecided', () => {
  const unknown = { ...facts, version: undefined, features: undefined };
  expect(decide('version_atleast(3.0)', unknown)).toBe('undecided');
  expect(decide('feature(LUA) || version_before(2.6)', unknown)).toBe('undecided');
});

test.each([
  ['2.6.12-1+deb12u4', '2.6.12', true],
  ['2.6.12-1+deb12u4', '2.6.13', false],
  ['3.4-dev5', '3.4', false],
  ['3.4-dev5', '3.4-dev5', true],
  ['3.4-dev5', '3.3', true],
  ['3.10.0', '3.9', true],
])('%s is at least %s: %s', (text, least, expected) => {
  const version = parseVersion(text);
  expect(version && isAtLeast(version, least)).toBe(expected);
});
