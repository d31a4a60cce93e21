// Ways that run side by side, and are idle except in turn: figures are compared within a round.
import { startServer, Way } from './chain.mjs';
import { fixedRate, fullSpeed } from './load.mjs';

/** A trace that the caller sampled: an agent that samples few has to be warm for these too. */
const SAMPLED = 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** Of what the slowest way reaches at full speed, so that a fixed rate is one that the machine has room for. */
const SHARE = 0.6;
const STEP = 100;

/**
 * @param plan.warm seconds of load before the first turn, `plan.full` of each turn at full speed, `plan.fixed`
 *   of each at `plan.rate` requests a second, which the ways in `plan.fixedWays` have
 * @returns `rate`, the fixed one as it was, and for each way the results of its turns
 */
export async function runRounds({ haproxy, floor, older, names, plan }) {
  const { server, port } = await startServer();
  const ways = [];
  try {
    for (const name of names) {
      const way = await Way.start(name, { haproxy, floor, older, server: port });
      if (way !== undefined) ways.push(way);
    }
    const results = Object.fromEntries(ways.map(({ name }) => [name, { full: [], fixed: [] }]));
    for (const way of ways) await way.measure((at) => fullSpeed(at, plan.warm, SAMPLED));
    let rate = plan.rate;
    for (let round = 0; round < plan.rounds; round += 1) {
      // What comes late in one round comes early in the next.
      const inTurn = round % 2 === 0 ? ways : ways.toReversed();
      for (const way of inTurn) {
        results[way.name].full.push(await way.measure((at) => fullSpeed(at, plan.full)));
      }
      const atFixedRate = inTurn.filter(({ name }) => plan.fixedWays.includes(name));
      if (round === 0) rate = fixedRateOf(plan, atFixedRate, results);
      for (const way of atFixedRate) {
        results[way.name].fixed.push(await way.measure((at) => fixedRate(at, rate, plan.fixed)));
      }
    }
    return { rate, results };
  } finally {
    for (const way of ways) await way.stop();
    await server.stop();
  }
}

/** What is planned, or less where the machine has no room for it. */
function fixedRateOf({ rate }, ways, results) {
  const slowest = Math.min(...ways.map(({ name }) => results[name].full[0].rate));
  return Math.min(rate, Math.floor((slowest * SHARE) / STEP) * STEP);
}
