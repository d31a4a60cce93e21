import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseTraceparent } from '../../src/context/traceparent.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';

function parse(value: string): number {
  const bytes = Buffer.from(`##${value}##`, 'latin1');
  return parseTraceparent(bytes, 2, bytes.length - 2);
}

describe('valid: the flags that version 00 knows', () => {
  test.each([
    ['sampled', `00-${TRACE_ID}-${PARENT_ID}-01`, 1],
    ['not sampled', `00-${TRACE_ID}-${PARENT_ID}-00`, 0],
    ['sampled and random', `00-${TRACE_ID}-${PARENT_ID}-03`, 3],
    ['random', `00-${TRACE_ID}-${PARENT_ID}-02`, 2],
    ['unknown flags are dropped', `00-${TRACE_ID}-${PARENT_ID}-ff`, 3],
    ['a future version', `01-${TRACE_ID}-${PARENT_ID}-01`, 1],
    ['a future version with more', `cc-${TRACE_ID}-${PARENT_ID}-01-what-the-future-brings`, 1],
    ['a future version with nothing behind the dash', `cc-${TRACE_ID}-${PARENT_ID}-01-`, 1],
  ])('%s', (_name, value, flags) => expect(parse(value)).toBe(flags));
});

describe('invalid', () => {
  test.each([
    ['empty', ''],
    ['version ff', `ff-${TRACE_ID}-${PARENT_ID}-01`],
    ['upper-case version', `AA-${TRACE_ID}-${PARENT_ID}-01`],
    ['version that is no number', `.0-${TRACE_ID}-${PARENT_ID}-01`],
    ['version of one digit', `0-${TRACE_ID}-${PARENT_ID}-01`],
    ['version of three digits', `000-${TRACE_ID}-${PARENT_ID}-01`],
    ['zero trace id', `00-${'0'.repeat(32)}-${PARENT_ID}-01`],
    ['upper-case trace id', `00-${TRACE_ID.toUpperCase()}-${PARENT_ID}-01`],
    ['illegal character in the trace id', `00-.${TRACE_ID.slice(1)}-${PARENT_ID}-01`],
    ['short trace id', `00-${TRACE_ID.slice(1)}-${PARENT_ID}-01`],
    ['long trace id', `00-${TRACE_ID}0-${PARENT_ID}-01`],
    ['zero parent id', `00-${TRACE_ID}-${'0'.repeat(16)}-01`],
    ['upper-case parent id', `00-${TRACE_ID}-${PARENT_ID.toUpperCase()}-01`],
    ['illegal character in the parent id', `00-${TRACE_ID}-.${PARENT_ID.slice(1)}-01`],
    ['short parent id', `00-${TRACE_ID}-${PARENT_ID.slice(1)}-01`],
    ['flags of one digit', `00-${TRACE_ID}-${PARENT_ID}-1`],
    ['flags of three digits', `00-${TRACE_ID}-${PARENT_ID}-001`],
    ['upper-case flags', `00-${TRACE_ID}-${PARENT_ID}-0B`],
    ['flags that are no number', `00-${TRACE_ID}-${PARENT_ID}-.1`],
    ['more than version 00 has', `00-${TRACE_ID}-${PARENT_ID}-01-more`],
    ['a dash behind version 00', `00-${TRACE_ID}-${PARENT_ID}-01-`],
    ['a future version with more, without its dash', `cc-${TRACE_ID}-${PARENT_ID}-01.more`],
    ['a future version without flags', `cc-${TRACE_ID}-${PARENT_ID}`],
    ['other delimiters', `00_${TRACE_ID}_${PARENT_ID}_01`],
    ['two values in one', `00-${TRACE_ID}-${PARENT_ID}-01,00-${TRACE_ID}-${PARENT_ID}-01`],
    ['white space in front', ` 00-${TRACE_ID}-${PARENT_ID}-01`],
  ])('%s', (_name, value) => expect(parse(value)).toBe(-1));

  test('anything that the grammar does not describe', () => {
    const grammar =
      /^(?:00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}|(?!ff|00)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?)$/s;
    const valid = `00-${TRACE_ID}-${PARENT_ID}-01`;
    const mutated = fc
      .array(fc.tuple(fc.nat({ max: 54 }), fc.constantFrom(...'0123456789abcdefABF-,. ')), {
        maxLength: 3,
      })
      .map((changes) => {
        const characters = [...valid];
        for (const [place, character] of changes) characters[place] = character;
        return characters.join('');
      });
    fc.assert(
      fc.property(mutated, (value) => parse(value) >= 0 === grammar.test(value)),
      { seed: 7, numRuns: 5000 },
    );
  });
});
