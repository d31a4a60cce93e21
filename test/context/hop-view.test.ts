import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HopMark, HopOffset } from '../../src/context/hop.ts';
import { copyHop, HopView, parseHop } from '../../src/context/hop-view.ts';

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

const HOP =
  /^([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})-([0-9a-f]{16})(?:-([0-9a-f]{16}))?(-[hrd]|-l-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2}))?$/;

/** As the format is described, by a regular expression. */
function expectedOf(text: string): unknown {
  const match = HOP.exec(text);
  if (match === null) return undefined;
  const [, traceId, spanId, flags = '', clientSpanId, parentId, mark, linked, of, linkFlags] =
    match;
  return {
    traceId,
    spanId,
    clientSpanId,
    parentId,
    traceFlags: Number.parseInt(flags, 16),
    mintedByHaproxy: mark === HopMark.HAPROXY,
    decidedByHaproxy: mark === HopMark.RULES,
    link:
      linkFlags === undefined
        ? undefined
        : { traceId: linked, spanId: of, traceFlags: Number.parseInt(linkFlags, 16) },
  };
}

/** One for all: state of one must not show in another. */
const view = new HopView();

test('a hop in the bytes of a line is what its text is', () => {
  fc.assert(
    fc.property(fc.oneof(hop, nearly, fc.string()), (text) => {
      const line = Buffer.from(`##${text}##`);
      const read = view.read(line, 2, line.length - 2);
      expect(read ? copyHop(view) : undefined).toEqual(expectedOf(text));
      expect(parseHop(text)).toEqual(expectedOf(text));
    }),
    { numRuns: 2_000 },
  );
});

test("what HAProxy's rules cut out of a hop is where the agent writes it", () => {
  const { TRACE_ID, SPAN_ID, FLAGS, CLIENT_SPAN_ID } = HopOffset;
  const parts = [
    [TRACE_ID, 32],
    // X-Ray has a trace id in two parts.
    [TRACE_ID, 8],
    [TRACE_ID + 8, 24],
    [TRACE_ID, SPAN_ID + 16],
    [TRACE_ID, FLAGS],
    // The random part of a trace id.
    [TRACE_ID + 18, 14],
    [SPAN_ID, 16],
    [FLAGS, 2],
    [FLAGS + 1, 1],
    [CLIENT_SPAN_ID, 16],
  ].map((part) => part.join(','));
  const src = join(import.meta.dirname, '../../src');
  const text = ['wiring', 'records']
    .flatMap((part) => readdirSync(join(src, part)).map((file) => join(src, part, file)))
    .map((file) => readFileSync(file, 'utf8'))
    .join('');
  const cuts = [...text.matchAll(/var\(txn\.otel\.hop\),bytes\(([\d,]+)\)/g)].map(([, cut]) => cut);
  expect(cuts.length).toBeGreaterThan(15);
  expect(cuts.filter((cut) => !parts.includes(cut ?? ''))).toEqual([]);
});
