import { expect, test } from 'vitest';
import { FAULTS } from './faults.ts';
import { episodeOf } from './schedule.ts';

const episodes = (seed: number): unknown[] =>
  Array.from({ length: 200 }, (_, number) => episodeOf(seed, number, FAULTS));

test('a schedule follows from its seed, and each episode from its number', () => {
  expect(episodes(7)).toEqual(episodes(7));
  expect(episodes(7)).not.toEqual(episodes(8));
  expect(episodeOf(7, 150, FAULTS)).toEqual(episodes(7)[150]);
});

test('every fault has its turn, alone and among others', () => {
  const all = Array.from({ length: 2_000 }, (_, number) => episodeOf(1, number, FAULTS).faults);
  expect(new Set(all.flat().map(({ name }) => name)).size).toBe(FAULTS.length);
  expect(new Set(all.map(({ length }) => length))).toEqual(new Set([1, 2, 3]));
});
