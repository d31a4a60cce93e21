import type { OtelTracestate } from './otel-tracestate.ts';
import { KEEP_ALL, randomnessOf, reaches, type Threshold, thresholdOf } from './threshold.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * The samplers of `OTEL_TRACES_SAMPLER` by their names there, and OpenTelemetry's ProbabilitySampler, which has no
 * name there: it tells in tracestate what share it keeps. `xray` is parent-based.
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
  'jaeger_remote',
  'parentbased_jaeger_remote',
  'xray',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

export type SamplerConfig = {
  readonly name: SamplerName;
  /** The share of traces to keep, 0 to 1; for the samplers that have one, or none better yet. */
  readonly ratio: number;
  /** Traces to start sampled a second, at most; undefined is no limit. */
  readonly maxTracesPerSecond?: number | undefined;
  /** Who is asked for rules. */
  readonly remote?: RemoteConfig | undefined;
};

export type RemoteConfig = JaegerConfig | XrayConfig;

export type JaegerConfig = {
  readonly kind: 'jaeger_remote';
  /** `http://host:port` or `https://host:port` of gRPC. */
  readonly endpoint: string;
  /** Milliseconds between two questions. */
  readonly pollingInterval: number;
};

export type XrayConfig = {
  readonly kind: 'xray';
  /** `http://host:port`. */
  readonly endpoint: string;
};

/** What HAProxy tells of a request before it is decided on; empty where it does not. */
export type RequestDescription = {
  readonly method: string;
  /** The host header. */
  readonly host: string;
  readonly path: string;
  /** What it is called in `http.route`. */
  readonly route: string;
};

export const NOT_DESCRIBED: RequestDescription = { method: '', host: '', path: '', route: '' };

/**
 * Decides about a trace that starts here by other rules than a share of all.
 *
 * @param traceId where in `bytes` its 32 digits start
 */
export type RootSampler = (
  bytes: Uint8Array,
  traceId: number,
  request: RequestDescription,
) => boolean;

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
  private rootSampler: RootSampler | undefined;
  private limit: number | undefined;
  private bucket: TokenBucket | undefined;

  constructor(config: SamplerConfig) {
    this.use(config);
  }

  /** Decides as `config` has it from now on, and by `rootSampler` in place of its ratio. */
  use({ name, ratio, maxTracesPerSecond }: SamplerConfig, rootSampler?: RootSampler): void {
    this.parentBased = name.startsWith(PARENT_BASED) || name === 'xray';
    const own = name.replace(PARENT_BASED, '');
    this.rootSampler = rootSampler;
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
   * @param request for rules that go by more than shares
   * @param isDecided HAProxy decided by `route`, which is a known share whatever the sampler
   */
  decide(
    parentSampled: boolean | undefined,
    bytes: Uint8Array,
    traceId: number,
    caller?: OtelTracestate,
    route?: Threshold | null,
    request: RequestDescription = NOT_DESCRIBED,
    isDecided = false,
  ): boolean {
    const randomness = caller?.randomness ?? bytes;
    const position = caller?.randomness === undefined ? randomnessOf(traceId) : 0;
    if ((this.parentBased || isDecided) && parentSampled !== undefined) {
      this.threshold = parentSampled ? consistent(randomness, position, caller) : undefined;
      if (parentSampled) this.bucket?.charge();
      return parentSampled;
    }
    this.threshold = undefined;
    if (route === undefined && this.rootSampler !== undefined) {
      return this.rootSampler(bytes, traceId, request) && this.isWithinLimit();
    }
    const wanted = route === undefined ? this.root : (route ?? undefined);
    if (wanted === undefined || !reaches(randomness, position, wanted)) return false;
    // A caller's threshold was another decision's: in its place stands this one's. What is left over by a limit is no
    // known share of anything.
    const tells = this.tellsShare || isDecided || caller?.threshold !== undefined;
    if (this.bucket === undefined && tells) this.threshold = wanted;
    return this.isWithinLimit();
  }

  private isWithinLimit(): boolean {
    if (this.bucket === undefined || this.bucket.take()) return true;
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
