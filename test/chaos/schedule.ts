import { pick, Random } from './random.ts';

/** What a fault happens to; an episode has at most one fault for each. */
export type Subject = 'agent' | 'second agent' | 'haproxy' | 'receiver';

/** Name and subject of a fault: all that a schedule is made of. */
export type Named = { readonly name: string; readonly subject: Subject };

export type Occurrence = {
  readonly name: string;
  /** Milliseconds from the start of the episode, and how long it lasts. */
  readonly at: number;
  readonly lasts: number;
  /** From 0 up to 1: which of its forms the fault has. */
  readonly form: number;
};

export type Episode = {
  readonly number: number;
  /** Requests a second. */
  readonly rate: number;
  readonly faults: readonly Occurrence[];
  /** For what clients do. */
  readonly clients: number;
};

/** Milliseconds. */
const LATEST_START = 2_000;
const SHORTEST = 200;
const LONGEST = 3_500;

/** One episode of the schedule of `seed`: a function of its arguments, so that any can be run by itself. */
export function episodeOf(seed: number, number: number, faults: readonly Named[]): Episode {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const subjects = random.shuffled([...new Set(faults.map(({ subject }) => subject))]);
  const chosen = subjects.slice(0, random.between(1, Math.min(3, subjects.length)));
  return {
    number,
    rate: random.between(20, 200),
    clients: random.between(0, 2 ** 31),
    faults: chosen.map((subject) => ({
      name: pick(
        faults.filter((fault) => fault.subject === subject),
        random.next(),
      ).name,
      at: random.between(0, LATEST_START),
      lasts: random.between(SHORTEST, LONGEST),
      form: random.next(),
    })),
  };
}
