/*
 * HAProxy decides by itself which new traces are sampled, by the trace id that it makes, and asks the agent only where
 * that has something to do: for a trace that is kept, and for a caller whose context HAProxy does not continue alone.
 */

/** The id of a trace that starts here, for which a hash costs less than dashes taken out, and its random part as a number. */
export const NEW_TRACE = [
  'tcp-request content set-var(txn.otel.trace_id) uuid(),sha1,hex,bytes(0,32),lower',
  'tcp-request content set-var(txn.otel.randomness) var(txn.otel.trace_id),bytes(18,14),hex2i',
];

/** The environment has the share of `add --ratio`; rules of the user's may choose another before the agent is asked. */
export const SHARE = 'OTEL_RATIO';

const RANDOMNESS_RANGE = 2n ** 56n;
const MILLIONTH = RANDOMNESS_RANGE / 1_000_000n;

/**
 * A trace is kept where the random part of its id, 56 bits, reaches the threshold of the share: `randomness >= 2^56 -
 * share`, with the share in whole millionths (OpenTelemetry specification, "Consistent probability sampling"). The engine
 * has the same (spoe/otel.conf), and the agent (context/threshold.ts).
 */
export const KEPT_SAMPLES = [
  `"var(txn.otel.ratio,\${${SHARE}}),field(1,.)" -m str 1`,
  `"var(txn.otel.ratio,\${${SHARE}}),field(2,.),concat(000000),bytes(0,6),lower,mul(${MILLIONTH}),add(txn.otel.randomness)" ge ${RANDOMNESS_RANGE}`,
] as const;

/**
 * Nobody reports the spans of what is not kept, unless it failed: their ids are parts of a random trace id, as each more
 * costs as much as all the rest.
 */
export const UNKEPT_CALLERS = [
  'acl otel_sampled  req.fhdr(traceparent),bytes(53,2),hex2i,and(1) eq 1',
  'http-request set-var-fmt(txn.otel.hop) "%[req.fhdr(traceparent),bytes(3,32)]-%[var(txn.otel.trace_id),bytes(0,16)]-0%[req.fhdr(traceparent),bytes(53,2),hex2i,and(3)]-%[var(txn.otel.trace_id),bytes(16,16)]-%[req.fhdr(traceparent),bytes(36,16)]-r" if !otel_answered otel_one otel_follow otel_form !otel_zero !otel_sampled',
];

const UNKEPT_TRACE =
  'http-request set-var-fmt(txn.otel.hop) "%[var(txn.otel.trace_id)]-%[var(txn.otel.trace_id),bytes(0,16)]-02-%[var(txn.otel.trace_id),bytes(16,16)]-r"';

/** Most requests: what comes behind looks at the hop first. */
export const UNKEPT_TRACES = [
  ...KEPT_SAMPLES.map((sample) => `acl otel_kept     ${sample}`),
  'acl otel_caller   req.fhdr(traceparent) -m found',
  `${UNKEPT_TRACE} if !otel_answered !otel_caller !otel_kept`,
];

/** New traces of HAProxy's own, where what a caller has is none. */
export const OWN_TRACES = [
  `${UNKEPT_TRACE} if !otel_answered !otel_kept`,
  'http-request set-var-fmt(txn.otel.hop) "%[var(txn.otel.trace_id)]-%[uuid(),regsub(-,,g),bytes(16,16)]-03-%[uuid(),regsub(-,,g),bytes(16,16)]-h" if !otel_answered',
  'acl otel_unkept   var(txn.otel.hop),bytes(51,1) -m str 0 2',
];
