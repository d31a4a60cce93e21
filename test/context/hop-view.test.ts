import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseHop } from '../../src/context/hop.ts';
import { copyHop, HopView } from '../../src/context/hop-view.ts';

const ids = (digits: number): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.constantFrom(...'0123456789abcdef'),
    minLength: digits,
    maxLength: digits,
  });
const link = fc.tuple(ids(32), ids(16), ids(2)).map((parts) => `-l-${parts.join('-')}`);
const hop = fc
  .tuple(
    fc.tuple(ids(32), ids(16), ids(2), ids(16)).map((parts) => parts.join('-')),
    fc.oneof(
      fc.constant(''),
      ids(16).map((id) => `-${id}`),
    ),
    fc.oneof(fc.constantFrom('', '-h', '-r', '-d', '-x', '-hh', '-', 'h', '-l-'), link),
  )
  .map((parts) => parts.join(''));
/** One of them with another character somewhere, or cut. */
const nearly = fc
  .tuple(hop, fc.nat({ max: 120 }), fc.constantFrom('g', '-', 'A', ' ', '\u00e9', ''))
  .map(([text, at, other]) => text.slice(0, at) + other + text.slice(at + other.length));

/** One for all: what it keeps of one must not show in another. */
const view = new HopView();

test('a hop in the bytes of a line is what its text is', () => {
  fc.assert(
    fc.property(fc.oneof(hop, nearly, fc.string()), (text) => {
      const line = Buffer.from(`##${text}##`);
      const read = view.read(line, 2, line.length - 2);
      expect(read ? copyHop(view) : undefined).toEqual(parseHop(text));
    }),
    { numRuns: 2_000 },
  );
});
