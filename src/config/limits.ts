import { type Env, integerFrom, readOrWarn, type Warn } from '../settings.ts';
import type { SpanLimits } from '../telemetry/config.ts';

/** Names of the settings of one signal. */
type LimitNames = { readonly length: string; readonly count: string };
type BatchNames = { readonly queue: string; readonly batch: string };

/** The limits for all signals. */
export function readCommonLimits(env: Env, warn: Warn): SpanLimits {
  return readLimits(
    env,
    warn,
    { length: 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT', count: 'OTEL_ATTRIBUTE_COUNT_LIMIT' },
    { attributeValueLength: undefined, attributeCount: 128 },
  );
}

/** @param fallback where the signal has none of its own */
export function readLimits(
  env: Env,
  warn: Warn,
  { length, count }: LimitNames,
  { attributeValueLength, attributeCount }: SpanLimits,
): SpanLimits {
  const from0 = integerFrom(0);
  return {
    attributeValueLength: readOrWarn(env, length, attributeValueLength, from0, warn),
    attributeCount: readOrWarn(env, count, attributeCount, from0, warn),
  };
}

/** How many may wait for the receiver, and be in a batch, which is never more. */
export function readBatches(
  env: Env,
  warn: Warn,
  names: BatchNames,
): { readonly queueSize: number; readonly batchSize: number } {
  const queueSize = readOrWarn(env, names.queue, 131_072, integerFrom(1), warn);
  const batchSize = readOrWarn(env, names.batch, Math.min(2_048, queueSize), integerFrom(1), warn);
  if (batchSize > queueSize) {
    warn(
      names.batch,
      `${names.batch} is ${batchSize}: at most ${names.queue}, ${queueSize}, is accepted, which is used`,
    );
  }
  return { queueSize, batchSize: Math.min(batchSize, queueSize) };
}
