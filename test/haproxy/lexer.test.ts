// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HAProxy writes its variables like that
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lex } from '../../src/haproxy/lexer.ts';
import { noticesOf } from './notices.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  ONE: 'a  b',
  TWO: 'two',
  QUOTED: 'x "y" z',
};
const lookup = (name: string): string | undefined => VARIABLES[name];
const words = (line: string): readonly string[] => lex(line, lookup).words;

test.each([
  ['two words', 'mode   http\t# or tcp', ['mode', 'http']],
  ['a comment without a space', 'global#this', ['global']],
  ['a hash in a word', 'a\\#b "#" \'#\'', ['a#b', '#', '#']],
  ['escapes', 'a\\ b \\"c\\" d\\\\e \\x41 \\q', ['a b', '"c"', 'd\\e', 'A', '\\q']],
  ['quotes in a word', `log-format "%{+Q}o %t"' %s'\\ %r`, ['log-format', '%{+Q}o %t %s %r']],
  ['strong quotes', `'$TWO \\n "x"'`, ['$TWO \\n "x"']],
  ['variables in weak quotes only', '"$TWO" $TWO "${TWO}s"', ['two', '$TWO', 'twos']],
  ['a variable with a space is one word', '"$ONE"', ['a  b']],
  ['a list', 'bind "${ONE[*]}" x', ['bind', 'a', 'b', 'x']],
  ['a list that is not set', 'bind "${NONE[*]}" x', ['bind', 'x']],
  ['a default value', '"${NONE-else where}" "${TWO-else}"', ['else where', 'two']],
  ['an escaped dollar', '"\\$TWO"', ['$TWO']],
  ['quotes in a value are text', '"$QUOTED"', ['x "y" z']],
])('%s', (_name, line, expected) => expect(words(line)).toEqual(expected));

test('what is not set is nothing, and is reported', () => {
  expect(lex('log-format "{${NONE}}"', lookup)).toEqual({
    words: ['log-format', '{}'],
    unset: ['NONE'],
    flaw: undefined,
  });
});

test.each([
  ['"open', 'the " is not closed'],
  ["'open", "the ' is not closed"],
  ['\\x4', '\\x needs two hexadecimal digits'],
  ['"$"', '$ in "" needs the name of a variable behind it, or a \\ before it'],
])('%s: %s', (line, flaw) => expect(lex(line, lookup).flaw).toBe(flaw));

/** Pieces that mean something, in any order. */
const PIECES = [
  'a',
  'b',
  ' ',
  ' ',
  '"',
  '"',
  "'",
  '\\',
  '#',
  '$TWO',
  '${ONE}',
  '${NONE-d}',
  '$',
  '}',
  'n',
  'x41',
];

describe('the real HAProxy, of whatever lines are made', () => {
  const lines = fc
    .sample(
      fc
        .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 9 })
        .map((pieces) => `.notice x${pieces.join('')}`),
      { numRuns: 2_000, seed: 20_261_126 },
    )
    // What HAProxy prints would not be one line.
    .filter((line) => !lex(line, lookup).words.some((word) => word.includes('\n')));
  const said = (chosen: readonly string[]) => {
    const all = noticesOf(`${chosen.join('\n')}\n`, VARIABLES);
    return chosen.map((line, index) => {
      const { kind, text } = all.get(index + 1) ?? {};
      return { line, kind, text };
    });
  };

  test('reads the same word', () => {
    const single = lines.filter((line) => {
      const { words: own, flaw } = lex(line, lookup);
      // An empty word ends a line for it.
      return flaw === undefined && (own.length === 2 || own[2] === '');
    });
    expect(single.length).toBeGreaterThan(400);
    expect(said(single)).toEqual(
      single.map((line) => ({ line, kind: 'notice', text: words(line)[1] })),
    );
  });

  test('sees the same second word', () => {
    const several = lines.filter((line) => {
      const { words: own, flaw } = lex(line, lookup);
      return flaw === undefined && own.length > 2 && own[2] !== '';
    });
    expect(several.length).toBeGreaterThan(100);
    expect(said(several)).toEqual(
      several.map((line) => ({
        line,
        kind: 'alert',
        text: expect.stringContaining(`Unexpected argument '${words(line)[2]}'`),
      })),
    );
  });

  test('refuses the same lines', () => {
    // HAProxy gives up after fifty.
    const flawed = lines.filter((line) => lex(line, lookup).flaw !== undefined).slice(0, 45);
    expect(flawed).toHaveLength(45);
    expect(said(flawed).map(({ line, kind }) => ({ line, kind }))).toEqual(
      flawed.map((line) => ({ line, kind: 'alert' })),
    );
  });
});
