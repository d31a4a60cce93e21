/*
 * HAProxy decides by itself which new traces are sampled, by the trace id that it makes, and asks the agent only where
 * that has something to do: for a trace that is sampled, and for a caller whose context HAProxy does not continue alone.
 */

/** The id of a trace that starts here, made by a hash, which costs less than removing dashes. */
export const NEW_TRACE =
  'tcp-request content set-var(txn.otel.trace_id) uuid(),sha1,hex,bytes(0,32),lower';

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
  return [`setenv ${SHARE} ${ratio}`, `setenv ${THRESHOLD} ${threshold}`];
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

const RANDOMNESS = 'var(txn.otel.trace_id),bytes(18,14),hex2i';

/** The same as in the engine: `otel_random` only stores what the samples above add. */
const DECIDING = [
  'acl otel_own_share var(txn.otel.ratio) -m found',
  `acl otel_reached  ${RANDOMNESS} ge "\${${THRESHOLD}}"`,
  `acl otel_random   ${RANDOMNESS},set-var(txn.otel.randomness) -m found`,
  ...SAMPLED_EXPRESSIONS.map((sample) => `acl otel_kept     ${sample}`),
];

/**
 * Span ids are parts of a random trace id, of which one costs more than any rule here; where a caller's trace is
 * continued that id is no trace's.
 */
const SPAN_ID = '%[var(txn.otel.trace_id),bytes(0,16)]';
const CLIENT_SPAN_ID = '%[var(txn.otel.trace_id),bytes(16,16)]';

/** The agent was not asked about callers that do not sample, and did not answer about all others. */
export const CONTINUED_CALLER = `http-request set-var-fmt(txn.otel.hop) "%[req.fhdr(traceparent),bytes(3,32)]-${SPAN_ID}-0%[req.fhdr(traceparent),bytes(53,2),hex2i,and(3)]-${CLIENT_SPAN_ID}-%[req.fhdr(traceparent),bytes(36,16)]-%[req.fhdr(traceparent),bytes(53,2),hex2i,and(1),bool,iif(h,r)]" if otel_one !otel_answered otel_follow otel_form !otel_zero`;

const newTrace = (end: string): string =>
  `http-request set-var-fmt(txn.otel.hop) "%[var(txn.otel.trace_id)]-${SPAN_ID}-${end}"`;

/** Most requests are the first of these, and what comes behind tests the hop first. */
export const OWN_TRACES = [
  ...DECIDING,
  `${newTrace(`02-${CLIENT_SPAN_ID}-r`)} if !otel_answered !otel_reached !otel_own_share or !otel_answered otel_own_share otel_random !otel_kept`,
  `${newTrace(`03-${CLIENT_SPAN_ID}-h`)} if !otel_answered`,
  'acl otel_unkept   var(txn.otel.hop),bytes(51,1) -m str 0 2',
];

/** The hop has all of it, for which it need not be composed before. */
export const TRACEPARENT_HEADER =
  'http-request set-header traceparent "00-%[var(txn.otel.hop),bytes(0,32)]-%[var(txn.otel.hop),bytes(53,16)]-%[var(txn.otel.hop),bytes(50,2)]"';
