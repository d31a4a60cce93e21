import { expect, test } from 'vitest';
import { type Account, expectConserved, violations } from './conservation.ts';

const WHOLE: Account = {
  requests: 100,
  exported: 90,
  doubled: 0,
  droppedByHaproxy: 7,
  droppedByAgent: 3,
};
const BOUNDS = { droppedByHaproxy: 7, droppedByAgent: 3 };

test.each([
  ['what adds up within its bounds', WHOLE, BOUNDS, []],
  [
    'what HAProxy dropped where the test fills no ring',
    WHOLE,
    { droppedByAgent: 3 },
    ['dropped by HAProxy: 7, not 0 to 0'],
  ],
  [
    'what the agent dropped where its queue has room',
    WHOLE,
    { droppedByHaproxy: 7 },
    ['dropped by the agent: 3, not 0 to 0'],
  ],
  ['a hop lost', { ...WHOLE, exported: 89 }, BOUNDS, ['unaccounted for: 1, not 0 to 0']],
  ['a hop too many', { ...WHOLE, exported: 91 }, BOUNDS, ['unaccounted for: -1, not 0 to 0']],
  ['a hop twice', { ...WHOLE, doubled: 1 }, BOUNDS, ['doubled: 1, not 0 to 0']],
  ['a hop that died with an agent', { ...WHOLE, exported: 89 }, { ...BOUNDS, uncounted: 1 }, []],
])('%s', (_what, account, bounds, expected) => {
  expect(violations(account, bounds)).toEqual(expected);
});

test('a failure has all terms', () => {
  expect(() => expectConserved({ ...WHOLE, exported: 88 }, BOUNDS)).toThrow(
    '100 requests = 88 hops exported + 7 dropped by HAProxy + 3 dropped by the agent + 2 unaccounted for; 0 hops doubled',
  );
});
