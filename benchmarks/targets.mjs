// What tracing may cost: each target is a line of the benchmark's table, by ratios within each round.

/** What the native filter of HAProxy 3.4 added to the host, of what commit 2bae498 did: it is in no package. */
const NATIVE_OF_OLDER = { 2.6: 1 / 1.13, 3.4: 1 / 1.67 };

const UNTRACED = 'untraced';
const FLOOR = 'floor';
const ALL = 'all';
const OLDER = 'all, older build';
const ONE_COUNTED = '1 % by HAProxy';
const ONE_ALONE = '1 % by HAProxy, nothing of the rest';
const ONE_OLDER = '1 % by the agent, older build';

const full = (way) => way.full;
const fixed = (way) => way.fixed;

/** A number for each round, of the turns that several ways had in it; undefined where one was not measured. */
function each(results, turnsOf, names, number) {
  if (names.some((name) => results[name] === undefined)) return undefined;
  const [first] = names;
  return turnsOf(results[first]).map((_, round) =>
    number(...names.map((name) => turnsOf(results[name])[round])),
  );
}

const throughput = (name, base) => (results) =>
  each(results, full, [name, base], (turn, other) => turn.rate / other.rate);
const agentCpu = (name, base, turnsOf) => (results) =>
  each(results, turnsOf, [name, base], (turn, other) => turn.agentCpu / other.agentCpu);
const hostCpu = (turn) => turn.haproxyCpu + turn.agentCpu;
const added = (cpu) => (results) =>
  each(
    results,
    full,
    [ALL, OLDER, UNTRACED],
    (turn, older, without) => (cpu(turn) - cpu(without)) / (cpu(older) - cpu(without)),
  );
const later = (percentile) => (results) =>
  each(results, fixed, [ALL, FLOOR], (turn, floor) => turn[percentile] - floor[percentile]);

const atLeast = (limit) => ({ wanted: `at least ${limit}`, met: (seen) => seen >= limit });
const atMost = (limit) => ({ wanted: `at most ${limit}`, met: (seen) => seen <= limit });

/** `seen` returns numbers from the results of one version of HAProxy; `versions`: where it is one. */
export const TARGETS = [
  {
    name: '1 % sampled, nothing of the rest: throughput, of untraced',
    ...atLeast(0.9),
    seen: throughput(ONE_ALONE, UNTRACED),
  },
  {
    name: '1 % sampled, every hop counted: throughput, of untraced',
    ...atLeast(0.7),
    seen: throughput(ONE_COUNTED, UNTRACED),
  },
  {
    name: "1 % sampled, every hop counted: agent's CPU, of the older build's 1 %",
    ...atMost(0.25),
    seen: agentCpu(ONE_COUNTED, ONE_OLDER, full),
  },
  {
    name: "all exported: agent's CPU a hop, of the older build",
    ...atMost(0.55),
    seen: agentCpu(ALL, OLDER, full),
  },
  {
    name: "all exported: HAProxy's added CPU, of the older build",
    ...atMost(0.75),
    seen: added((turn) => turn.haproxyCpu),
  },
  {
    name: "all exported: throughput, of the floor's",
    ...atLeast(0.75),
    seen: throughput(ALL, FLOOR),
  },
  {
    name: "all exported: added CPU of the host, of the native filter's, where the older build is 2bae498",
    wanted: 'at most 1 with 2.6, 1.2 with 3.4',
    met: (seen, version) => seen <= (version === '3.4' ? 1.2 : 1),
    seen: (results, version) =>
      version in NATIVE_OF_OLDER
        ? added(hostCpu)(results)?.map((ratio) => ratio / NATIVE_OF_OLDER[version])
        : undefined,
  },
  {
    name: "all exported, fixed rate: agent's CPU a hop, of the older build",
    ...atMost(0.55),
    seen: agentCpu(ALL, OLDER, fixed),
  },
  {
    name: 'all exported, fixed rate: median latency beyond that of the floor, ms',
    ...atMost(0.3),
    seen: later('p50'),
  },
  {
    name: 'all exported, fixed rate: 99.9th percentile beyond that of the floor, ms',
    ...atMost(3),
    seen: later('p999'),
  },
  {
    name: 'memory of the agent, all exported at full speed, MiB',
    ...atMost(120),
    seen: (results) => each(results, full, [ALL], ({ memory }) => memory),
  },
];
