/*
 * HAProxy decides by itself which new traces are sampled, by the trace id that it makes, and asks the agent only where
 * that has something to do: for a trace that is sampled, and for a caller whose context HAProxy does not continue alone.
 */

/**
 * The hop of a trace that starts here and is not sampled, which is what most are: rules replace it, and the agent.
 *
 * HAProxy 2.6 has random numbers of 32 bits, later ones none that are both cheap and good enough. From 3.0 on HAProxy numbers
 * its requests: a hash of that number and of the process's own (`PROCESS`), beside one of the time. The ids of a process
 * differ unless 2^32 requests come in one microsecond. All others hash a UUID, which costs most.
 */
export const NEW_TRACE = [
  '.if version_before(2.7)',
  mint('[rand,xxh64,hex,lower]%[rand,hex,bytes(8,8),lower]%[rand,hex,bytes(8,8),lower]', [
    'rand,xxh64(1),hex,lower',
    'rand,xxh64(2),hex,lower',
  ]),
  '.elif version_atleast(3.0)',
  mint(
    '[date(0,us),xor(proc.otel.high),xxh64,hex,lower]%[txn.id32,xor(proc.otel.low),xxh64,hex,lower]',
    [
      'txn.id32,xor(proc.otel.high),xxh64(1),hex,lower',
      'txn.id32,xor(proc.otel.low),xxh64(2),hex,lower',
    ],
  ),
  '.else',
  'tcp-request content set-var(txn.otel.trace_id) uuid(),sha1,hex,bytes(0,32),lower',
  mint('[var(txn.otel.trace_id)]', [
    'var(txn.otel.trace_id),bytes(0,16)',
    'var(txn.otel.trace_id),bytes(16,16)',
  ]),
  '.endif',
] as const;

function mint(traceId: string, [spanId, clientSpanId]: readonly [string, string]): string {
  return `tcp-request content set-var-fmt(txn.otel.hop) "%${traceId}-%[${spanId}]-02-%[${clientSpanId}]-r"`;
}

/** What a client sent, for which nobody needs to search again where there is none. */
export const CALLER = 'tcp-request content set-var(txn.otel.caller) req.fhdr(traceparent)';

/** What no other process has: some versions have no random numbers yet when they read this. */
const PROCESS = [
  'set-var proc.otel.started date(0,us)',
  'set-var proc.otel.high hostname,concat(-,proc.otel.started),xxh64(1)',
  'set-var proc.otel.low hostname,concat(-,proc.otel.started),xxh64(2)',
];

/** The environment has the share of `add --ratio`; rules of the user's may choose another before the agent is asked. */
export const SHARE = 'OTEL_RATIO';
/** The same as a threshold: one comparison for requests whose share nobody else chose, and that are nearly all. */
const THRESHOLD = 'OTEL_THRESHOLD';

const RANDOMNESS_RANGE = 2n ** 56n;
const MILLIONTH = RANDOMNESS_RANGE / 1_000_000n;

/** What the rules and the engine find in the environment: `ratio` as `add --ratio` accepts it. */
export function shareSettings(ratio: string): string[] {
  const [whole, decimals = ''] = ratio.split('.');
  const millionths = BigInt(decimals.padEnd(6, '0'));
  const threshold = whole === '1' ? 0n : RANDOMNESS_RANGE - millionths * MILLIONTH;
  return [`setenv ${SHARE} ${ratio}`, `setenv ${THRESHOLD} ${threshold}`, ...PROCESS];
}

/**
 * A trace is sampled where the random part of its id, 56 bits, reaches the threshold of the share: `randomness >= 2^56 -
 * share`, with the share in whole millionths (OpenTelemetry specification, "Consistent probability sampling"). The engine
 * has the same (spoe/otel.conf), and the agent (context/threshold.ts).
 */
export const SAMPLED_EXPRESSIONS = [
  `"var(txn.otel.ratio,\${${SHARE}}),field(1,.)" -m str 1`,
  `"var(txn.otel.ratio,\${${SHARE}}),field(2,.),concat(000000),bytes(0,6),lower,mul(${MILLIONTH}),add(txn.otel.randomness)" ge ${RANDOMNESS_RANGE}`,
] as const;

const RANDOMNESS = 'var(txn.otel.hop),bytes(18,14),hex2i';

/** The same as in the engine: `otel_random` only stores what the samples above add. */
const DECIDING = [
  'acl otel_own_share var(txn.otel.ratio) -m found',
  `acl otel_reached  ${RANDOMNESS} ge "\${${THRESHOLD}}"`,
  `acl otel_random   ${RANDOMNESS},set-var(txn.otel.randomness) -m found`,
  ...SAMPLED_EXPRESSIONS.map((sample) => `acl otel_kept     ${sample}`),
];

const SPAN_ID = '%[var(txn.otel.hop),bytes(33,16)]';
const CLIENT_SPAN_ID = '%[var(txn.otel.hop),bytes(53,16)]';

/** The agent did not answer about a trace that is sampled. */
export const OWN_TRACES = [
  ...DECIDING,
  `http-request set-var-fmt(txn.otel.hop) "%[var(txn.otel.hop),bytes(0,50)]03-${CLIENT_SPAN_ID}-h" if otel_reached !otel_own_share !otel_answered or otel_own_share otel_random otel_kept !otel_answered`,
];

/** The agent was not asked about callers that do not sample, and did not answer about all others. */
export const CONTINUED_CALLER = [
  `http-request set-var-fmt(txn.otel.hop) "%[var(txn.otel.caller),bytes(3,32)]-${SPAN_ID}-0%[var(txn.otel.caller),bytes(53,2),hex2i,and(3)]-${CLIENT_SPAN_ID}-%[var(txn.otel.caller),bytes(36,16)]-%[var(txn.otel.caller),bytes(53,2),hex2i,and(1),bool,iif(h,r)]" if otel_caller !otel_answered otel_one otel_follow otel_form !otel_zero`,
  'acl otel_unkept   var(txn.otel.hop) -m end -- -r',
];

/** The hop has all of it, for which it need not be composed before. */
export const TRACEPARENT_HEADER =
  'http-request set-header traceparent "00-%[var(txn.otel.hop),bytes(0,32)]-%[var(txn.otel.hop),bytes(53,16)]-%[var(txn.otel.hop),bytes(50,2)]"';
