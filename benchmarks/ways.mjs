// Ways to trace, by name. A way that needs an option of `add` that this build does not have is left out.

function sampler(share) {
  return {
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: String(share),
  };
}

/**
 * `wiring`: `none`, `asking`, `deciding`, or by `add` with the options of `add`. `older` is the older build, wired by its own means.
 * `env` is the agent's. `spop`: what HAProxy asks the agent over, in place of TCP.
 * `agent`: one of constants, in this folder. `onlyByName`: measured only where `--rows` names it.
 * `counts`: what has to be there for each request: `exported` a hop, `recorded` a record, or nothing.
 */
export const WAYS = {
  untraced: { wiring: 'none' },
  floor: { wiring: 'asking', agent: 'floor.c' },
  'floor in Node.js': { wiring: 'asking', agent: 'floor.mjs', onlyByName: true },
  all: { add: [], counts: 'exported' },
  'all, older build': { older: true, counts: 'exported' },
  'all, SPOP over a unix socket': { add: [], spop: 'unix', counts: 'exported' },
  'all, SPOP over an abstract socket': { add: [], spop: 'abstract', counts: 'exported' },
  '10 % by the agent': { add: [], env: sampler(0.1), counts: 'recorded' },
  '10 % by HAProxy': { add: ['--ratio', '0.1'], counts: 'recorded' },
  '10 % by HAProxy, nothing of the rest': { add: ['--ratio', '0.1', '--lines', 'sampled'] },
  'floor of 1 % by HAProxy': { wiring: 'deciding', agent: 'floor.c', onlyByName: true },
  '1 % by the agent': { add: [], env: sampler(0.01), counts: 'recorded' },
  '1 % by the agent, older build': { older: true, env: sampler(0.01), counts: 'recorded' },
  '1 % by HAProxy': {
    add: ['--ratio', '0.01'],
    env: { HAPROXY_OTEL_KEEP_ERRORS: 'true' },
    counts: 'recorded',
  },
  '1 % by HAProxy, nothing of the rest': { add: ['--ratio', '0.01', '--lines', 'sampled'] },
};

/** One of each kind. */
export const IN_SHORT = [
  'untraced',
  'floor',
  'all',
  'all, SPOP over an abstract socket',
  '1 % by HAProxy',
  '1 % by HAProxy, nothing of the rest',
];

/** Those that also get a fixed rate. */
export const AT_A_FIXED_RATE = ['floor', 'floor in Node.js', 'all', 'all, older build'];
