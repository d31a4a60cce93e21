import { FORMATS, type Format } from '../context/propagation.ts';
import { SAMPLER_NAMES, type SamplerConfig } from '../context/sampling.ts';
import {
  boolean,
  type Env,
  integerFrom,
  listOf,
  notAccepted,
  oneOf,
  perSecond,
  ratio,
  read,
} from '../settings.ts';
import type { KeepConfig } from '../telemetry/config.ts';

export function readSampler(env: Env): SamplerConfig {
  const name = read(env, 'OTEL_TRACES_SAMPLER', 'parentbased_always_on', oneOf(SAMPLER_NAMES));
  const takesRatio = /(traceidratio|probability)$/.test(name);
  return {
    name,
    ratio: takesRatio ? read(env, 'OTEL_TRACES_SAMPLER_ARG', 1, ratio) : 1,
    maxTracesPerSecond: read(env, 'HAPROXY_OTEL_MAX_TRACES_PER_SECOND', undefined, perSecond),
  };
}

const PROPAGATORS = ['tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'xray', 'none'] as const;

/** Both encodings of B3 are read by either name; baggage is HAProxy's, which passes it on. */
export function readFormats(env: Env): readonly Format[] {
  const names: readonly string[] = read(env, 'OTEL_PROPAGATORS', FORMATS, listOf(PROPAGATORS));
  if (names.length > 1 && names.includes('none')) {
    throw notAccepted('OTEL_PROPAGATORS', env.OTEL_PROPAGATORS ?? '', 'none alone');
  }
  const formats = names.map((name) => (name === 'b3multi' ? 'b3' : name));
  return [...new Set(formats)].filter((name): name is Format =>
    FORMATS.some((format) => format === name),
  );
}

/** Which hops of traces that are not sampled are exported all the same. */
export function readKeep(env: Env): KeepConfig {
  return {
    errors: read(env, 'HAPROXY_OTEL_KEEP_ERRORS', false, boolean),
    slowerThan: read(env, 'HAPROXY_OTEL_KEEP_SLOWER_THAN', undefined, integerFrom(1)),
    perSecond: read(env, 'HAPROXY_OTEL_KEEP_PER_SECOND', 100, perSecond),
  };
}
