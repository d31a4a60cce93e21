import type { RootSampler } from '../context/sampling.ts';
import { randomnessOf, reaches, type Threshold, thresholdOf } from '../context/threshold.ts';
import { TokenBucket } from '../context/token-bucket.ts';

/** Jaeger's sampling strategy, as its sampling.proto has it. */
export type JaegerStrategy = {
  readonly strategyType?: number;
  readonly probabilistic?: { readonly rate: number };
  readonly rateLimiting?: { readonly maxTracesPerSecond: number };
  readonly operations?: {
    readonly defaultRate: number;
    readonly lowerBound: number;
    readonly strategies: readonly {
      readonly operation: string;
      readonly probabilistic?: { readonly rate: number };
    }[];
  };
};

const RATE_LIMITING = 1;

/** @throws Error for an unknown or invalid strategy */
export function samplerOf({
  strategyType,
  probabilistic,
  rateLimiting,
  operations,
}: JaegerStrategy): RootSampler {
  // The type of the strategy does not cover operations.
  if (operations) return operationSampler(operations);
  if (strategyType === RATE_LIMITING) return rateLimiter(rateLimiting?.maxTracesPerSecond ?? 0);
  if (!probabilistic) throw new Error('the sampling strategy is neither a rate nor a limit');
  const share = shareOf(probabilistic.rate);
  return (bytes, traceId) => isSampled(bytes, traceId, share);
}

/** So many traces a second; 0 is none. */
function rateLimiter(perSecond: number): RootSampler {
  if (!(perSecond > 0)) return () => false;
  const bucket = new TokenBucket(perSecond);
  return () => bucket.tryTake();
}

/**
 * A share by operation, which is the span's name as far as it is known when the request starts; of each that is
 * listed, and of all others together, at least so many a second.
 */
function operationSampler({
  defaultRate,
  lowerBound,
  strategies,
}: NonNullable<JaegerStrategy['operations']>): RootSampler {
  const operation = (rate: number): RootSampler => {
    const share = shareOf(rate);
    const floor = rateLimiter(lowerBound);
    return (bytes, traceId, request) =>
      // A trace that is sampled in any case counts too.
      floor(bytes, traceId, request) || isSampled(bytes, traceId, share);
  };
  const others = operation(defaultRate);
  const known = new Map(
    strategies.map((strategy) => [
      strategy.operation,
      operation(strategy.probabilistic?.rate ?? 0),
    ]),
  );
  return (bytes, traceId, request) => {
    const { method, route } = request;
    const name = route === '' ? method : `${method} ${route}`;
    return (known.get(name) ?? others)(bytes, traceId, request);
  };
}

function shareOf(rate: number): Threshold | undefined {
  if (rate >= 0 && rate <= 1) return thresholdOf(rate);
  throw new Error(`the sampling rate is ${rate}: 0 to 1 is accepted`);
}

function isSampled(bytes: Uint8Array, traceId: number, share: Threshold | undefined): boolean {
  return share !== undefined && reaches(bytes, randomnessOf(traceId), share);
}
