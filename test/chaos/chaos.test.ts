import { expect, test } from 'vitest';
import { VERSION } from '../end-to-end/chain.ts';
import { runEpisode } from './episode.ts';
import { FAULTS } from './faults.ts';
import { Installation } from './installation.ts';
import { episodeOf, type Occurrence } from './schedule.ts';

/** Set by `npm run chaos`. */
const MINUTES = Number(process.env.CHAOS_MINUTES ?? 1);
const SEED = Number(process.env.CHAOS_SEED ?? 1);
/** Why, by the name of the fault. */
const LEFT_OUT = new Map(
  FAULTS.flatMap(({ name, without }) => (without ? [[name, without] as const] : [])),
);
const FIRST = Number(process.env.CHAOS_EPISODE ?? 0);

test(
  `faults at random, seed ${SEED}: each hop is exported once, or its loss is accounted for`,
  async () => {
    console.log(VERSION.split('\n', 1)[0]);
    for (const [name, reason] of LEFT_OUT) console.log(`left out: ${name}, ${reason}`);
    const installation = await Installation.start();
    const ends = performance.now() + MINUTES * 60_000;
    const sums: Record<string, number> = {};
    try {
      for (let number = FIRST; performance.now() < ends; number += 1) {
        const started = new Date().toISOString();
        const episode = episodeOf(SEED, number, FAULTS);
        const { terms, violations, memory, descriptors } = await runEpisode(installation, episode);
        for (const [term, count] of Object.entries(terms)) sums[term] = (sums[term] ?? 0) + count;
        console.log(
          `${number}: ${episode.faults.map(nameOf).join(', ')}; ${describe(terms)}; ` +
            `${Math.round(memory)} MiB, ${descriptors} descriptors`,
        );
        if (violations.length > 0 || process.env.CHAOS_LOGS)
          console.log(installation.warnings(started).join('\n'));
        expect(
          violations,
          `npm run chaos -- --seed ${SEED} --episode ${number} replays ${JSON.stringify(episode)}`,
        ).toEqual([]);
      }
    } finally {
      console.log(`seed ${SEED}, ${MINUTES} minutes: ${describe(sums)}`);
      await installation.stop();
    }
  },
  MINUTES * 60_000 + 300_000,
);

function nameOf({ name }: Occurrence): string {
  return LEFT_OUT.has(name) ? `(${name})` : name;
}

function describe(terms: Readonly<Record<string, number>>): string {
  return Object.entries(terms)
    .map(([term, count]) => `${count} ${term}`)
    .join(', ');
}
