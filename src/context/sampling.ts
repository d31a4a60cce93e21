import type { OtelTracestate } from './otel-tracestate.ts';
import { ALWAYS_SAMPLE, randomnessOf, reaches, type Threshold, thresholdOf } from './threshold.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * The samplers of `OTEL_TRACES_SAMPLER` by their names there, and OpenTelemetry's ProbabilitySampler, which has no
 * name there: it writes its threshold to tracestate. `xray` is parent-based.
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
  /** The sampling ratio, 0 to 1, of samplers that have one; of remote ones until the service has answered. */
  readonly ratio: number;
  /** Traces to start sampled a second, at most; undefined is no limit. */
  readonly maxTracesPerSecond?: number | undefined;
  /** The service that sampling rules come from. */
  readonly remote?: RemoteConfig | undefined;
};

export type RemoteConfig = JaegerConfig | XrayConfig;

export type JaegerConfig = {
  readonly kind: 'jaeger_remote';
  /** `http://host:port` or `https://host:port` of gRPC. */
  readonly endpoint: string;
  /** Milliseconds between two polls. */
  readonly pollingInterval: number;
};

export type XrayConfig = {
  readonly kind: 'xray';
  /** `http://host:port`. */
  readonly endpoint: string;
};

/** The request as sampling rules see it; empty where HAProxy does not send it. */
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
 * where there is none, a trace is sampled if its randomness reaches the threshold, so that all hops with the same
 * ratio agree (OpenTelemetry specification, "Consistent probability sampling").
 */
export class Sampler {
  /** The threshold of the last decision, to be written to tracestate; undefined where it is not known. */
  threshold: Threshold | undefined;
  /** Traces that were not sampled because there were too many. */
  limited = 0;
  private parentBased = false;
  private writesThreshold = false;
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
    this.writesThreshold = own === 'probability';
    this.root =
      own === 'always_on' ? ALWAYS_SAMPLE : own === 'always_off' ? undefined : thresholdOf(ratio);
    // A reload with the same limit allows no new burst.
    if (maxTracesPerSecond !== this.limit) {
      this.limit = maxTracesPerSecond;
      this.bucket =
        maxTracesPerSecond === undefined ? undefined : new TokenBucket(maxTracesPerSecond);
    }
  }

  /** Samples unconditionally: a caller debugs this trace. It counts against the limit, and has no threshold. */
  forceSample(): true {
    this.threshold = undefined;
    this.bucket?.charge();
    return true;
  }

  /**
   * @param parentSampled the caller's decision; undefined where this hop starts the trace, or the caller left it open
   * @param traceId where in `bytes` the 32 digits of the trace id start
   * @param remote the `ot` member of the caller's tracestate
   * @param route the threshold that HAProxy sends for this request; null samples nothing, undefined leaves it to the
   *   configuration
   * @param request for rules that go by more than shares
   * @param isDecided HAProxy decided by `route`, which is a known share whatever the sampler
   */
  decide(
    parentSampled: boolean | undefined,
    bytes: Uint8Array,
    traceId: number,
    remote?: OtelTracestate,
    route?: Threshold | null,
    request: RequestDescription = NOT_DESCRIBED,
    isDecided = false,
  ): boolean {
    const randomness = remote?.randomness ?? bytes;
    const position = remote?.randomness === undefined ? randomnessOf(traceId) : 0;
    if ((this.parentBased || isDecided) && parentSampled !== undefined) {
      this.threshold = parentSampled ? consistent(randomness, position, remote) : undefined;
      if (parentSampled) this.bucket?.charge();
      return parentSampled;
    }
    this.threshold = undefined;
    if (route === undefined && this.rootSampler !== undefined) {
      return this.rootSampler(bytes, traceId, request) && this.isWithinLimit();
    }
    const wanted = route === undefined ? this.root : (route ?? undefined);
    if (wanted === undefined || !reaches(randomness, position, wanted)) return false;
    // A threshold of the caller's is replaced by that of this decision. With a limit on traces no threshold is true.
    const isWritten = this.writesThreshold || isDecided || remote?.threshold !== undefined;
    if (this.bucket === undefined && isWritten) this.threshold = wanted;
    return this.isWithinLimit();
  }

  private isWithinLimit(): boolean {
    if (this.bucket === undefined || this.bucket.tryTake()) return true;
    this.limited += 1;
    return false;
  }
}

/** The caller's threshold, unless its own decision contradicts it. */
function consistent(
  randomness: Uint8Array,
  position: number,
  remote: OtelTracestate | undefined,
): Threshold | undefined {
  const { threshold } = remote ?? {};
  return threshold !== undefined && reaches(randomness, position, threshold)
    ? threshold
    : undefined;
}
