import { expect, test } from 'vitest';
import { errorText } from '../src/error-text.ts';

test.each([
  [new TypeError('no such thing'), 'no such thing'],
  [Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
  [new AggregateError([]), 'AggregateError'],
  ['a text', 'a text'],
  [undefined, 'undefined'],
])('%o is logged as %s', (error, text) => {
  expect(errorText(error)).toBe(text);
});
