import { randomness53 } from './traceparent.ts';

/** The samplers of `OTEL_TRACES_SAMPLER` that this agent has, by their names there. */
export const SAMPLER_NAMES = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

export type SamplerConfig = {
  readonly name: SamplerName;
  /** The share of traces to keep, 0 to 1; for the ratio samplers. */
  readonly ratio: number;
};

/**
 * @param parentSampled the caller's flag, or undefined when this hop starts the trace
 * @param traceId where in `bytes` the 32 digits of the trace id start
 */
export type Sampler = (
  parentSampled: boolean | undefined,
  bytes: Uint8Array,
  traceId: number,
) => boolean;

export function createSampler(config: SamplerConfig): Sampler {
  switch (config.name) {
    case 'always_on':
      return () => true;
    case 'always_off':
      return () => false;
    case 'traceidratio':
      return ratioSampler(config.ratio);
    case 'parentbased_always_on':
      return (parentSampled) => parentSampled ?? true;
    case 'parentbased_always_off':
      return (parentSampled) => parentSampled ?? false;
    case 'parentbased_traceidratio': {
      const root = ratioSampler(config.ratio);
      return (parentSampled, bytes, traceId) =>
        parentSampled ?? root(parentSampled, bytes, traceId);
    }
    default:
      return config.name satisfies never;
  }
}

/** Keeps the traces whose randomness is at least the share to reject, so that all hops agree. */
function ratioSampler(ratio: number): Sampler {
  const threshold = Math.round((1 - ratio) * 2 ** 53);
  return (_parentSampled, bytes, traceId) => randomness53(bytes, traceId) >= threshold;
}
