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
  [
    'a hop left in a ring',
    { ...WHOLE, exported: 89, leftInRings: 1 },
    { ...BOUNDS, leftInRings: 1 },
    [],
  ],
  [
    'more of them than waited there',
    { ...WHOLE, exported: 88, leftInRings: 2 },
    { ...BOUNDS, leftInRings: 1 },
    ['left in rings of workers that stopped: 2, not 0 to 1'],
  ],
  [
    'a worker that a signal ended',
    { ...WHOLE, leftInRings: 0, workersLost: 1 },
    BOUNDS,
    ['workers of HAProxy ended by a signal: 1, not 0 to 0'],
  ],
  ['a hop that died with an agent', { ...WHOLE, exported: 89 }, { ...BOUNDS, uncounted: 1 }, []],
])('%s', (_what, account, bounds, expected) => {
  expect(violations(account, bounds)).toEqual(expected);
});

test('a failure has all terms', () => {
  expect(() =>
    expectConserved({ ...WHOLE, exported: 85, leftInRings: 2, workersLost: 1 }, BOUNDS),
  ).toThrow(
    '100 requests = 85 hops exported + 7 dropped by HAProxy + 2 left in rings of workers that stopped + 3 dropped by the agent ' +
      '+ 3 unaccounted for; 0 hops doubled; 1 workers of HAProxy ended by a signal',
  );
  expect(() => expectConserved({ ...WHOLE, exported: 88 }, BOUNDS)).toThrow(
    '100 requests = 88 hops exported + 7 dropped by HAProxy + 3 dropped by the agent + 2 unaccounted for; 0 hops doubled',
  );
});
