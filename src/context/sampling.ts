import type { OtelTracestate } from './otel-tracestate.ts';
import { KEEP_ALL, randomnessOf, reaches, type Threshold, thresholdOf } from './threshold.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * The samplers of `OTEL_TRACES_SAMPLER` that this agent has, by their names there, and OpenTelemetry's
 * ProbabilitySampler, which has no name there: it tells in tracestate what share it keeps.
 */
export const SAMPLER_NAMES = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
  'probability',
  'parentbased_probability',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

export type SamplerConfig = {
  readonly name: SamplerName;
  /** The share of traces to keep, 0 to 1; for the samplers that have one. */
  readonly ratio: number;
  /** Traces to start sampled a second, at most; undefined is no limit. */
  readonly maxTracesPerSecond?: number | undefined;
};

const PARENT_BASED = 'parentbased_';

/**
 * Decides which traces are sampled. A caller's decision stands where the sampler is parent-based; otherwise, and
 * where there is none, a trace is kept if its randomness reaches the threshold, so that all hops with the same
 * ratio agree (OpenTelemetry specification, "Consistent probability sampling").
 */
export class Sampler {
  /** What the last decision says upstream about the share that is kept; undefined where that is not known. */
  threshold: Threshold | undefined;
  /** Traces that were not sampled because there were too many. */
  limited = 0;
  private parentBased = false;
  private tellsShare = false;
  private root: Threshold | undefined;
  private limit: number | undefined;
  private bucket: TokenBucket | undefined;

  constructor(config: SamplerConfig) {
    this.use(config);
  }

  /** Decides as `config` has it from now on. */
  use({ name, ratio, maxTracesPerSecond }: SamplerConfig): void {
    this.parentBased = name.startsWith(PARENT_BASED);
    const own = this.parentBased ? name.slice(PARENT_BASED.length) : name;
    this.tellsShare = own === 'probability';
    this.root =
      own === 'always_on' ? KEEP_ALL : own === 'always_off' ? undefined : thresholdOf(ratio);
    // Who reloads with the same limit gets no new burst.
    if (maxTracesPerSecond !== this.limit) {
      this.limit = maxTracesPerSecond;
      this.bucket =
        maxTracesPerSecond === undefined ? undefined : new TokenBucket(maxTracesPerSecond);
    }
  }

  /** Samples whatever it would decide: a caller debugs this trace. It counts, and is no share of anything. */
  keep(): true {
    this.threshold = undefined;
    this.bucket?.charge();
    return true;
  }

  /**
   * @param parentSampled the caller's decision; undefined where this hop starts the trace, or the caller left it open
   * @param traceId where in `bytes` the 32 digits of the trace id start
   * @param caller what the caller's tracestate says about sampling
   * @param route the share that HAProxy asks for here; null is nothing, undefined leaves it to the configuration
   */
  decide(
    parentSampled: boolean | undefined,
    bytes: Uint8Array,
    traceId: number,
    caller?: OtelTracestate,
    route?: Threshold | null,
  ): boolean {
    const randomness = caller?.randomness ?? bytes;
    const position = caller?.randomness === undefined ? randomnessOf(traceId) : 0;
    if (this.parentBased && parentSampled !== undefined) {
      this.threshold = parentSampled ? consistent(randomness, position, caller) : undefined;
      if (parentSampled) this.bucket?.charge();
      return parentSampled;
    }
    this.threshold = undefined;
    const wanted = route === undefined ? this.root : (route ?? undefined);
    if (wanted === undefined || !reaches(randomness, position, wanted)) return false;
    if (this.bucket === undefined) {
      // A caller's threshold was another decision's: in its place stands this one's.
      if (this.tellsShare || caller?.threshold !== undefined) this.threshold = wanted;
      return true;
    }
    // What is left over by a limit is no known share of anything.
    if (this.bucket.take()) return true;
    this.limited += 1;
    return false;
  }
}

/** The caller's threshold, unless its own decision contradicts it. */
function consistent(
  randomness: Uint8Array,
  position: number,
  caller: OtelTracestate | undefined,
): Threshold | undefined {
  const { threshold } = caller ?? {};
  return threshold !== undefined && reaches(randomness, position, threshold)
    ? threshold
    : undefined;
}
