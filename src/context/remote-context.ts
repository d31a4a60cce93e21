import { SPAN_ID_DIGITS, TRACE_ID_DIGITS } from './traceparent.ts';

/** The remote context of a request, extracted by another propagator than W3C's. */
export type RemoteContext = {
  /** Lower-case hexadecimal, as long as W3C's; undefined where the caller only decided about sampling. */
  readonly ids: { readonly traceId: string; readonly spanId: string } | undefined;
  /** Undefined where the caller deferred the decision. */
  readonly sampled: boolean | undefined;
  /** Sampled whatever any sampler decides, here and upstream (B3, Jaeger). */
  readonly debug: boolean;
};

/** @returns undefined unless both are hexadecimal, not too long, and not zero */
export function idsOf(traceId: string, spanId: string): RemoteContext['ids'] {
  const ids = { traceId: padded(traceId, TRACE_ID_DIGITS), spanId: padded(spanId, SPAN_ID_DIGITS) };
  return ids.traceId === '' || ids.spanId === '' ? undefined : ids;
}

/** 64-bit trace ids become W3C's by zeros in front. */
function padded(id: string, digits: number): string {
  const valid = id.length <= digits && /^[0-9a-f]+$/i.test(id) && !/^0*$/.test(id);
  return valid ? id.toLowerCase().padStart(digits, '0') : '';
}
