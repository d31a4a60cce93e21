import type { SpanLimits } from '../telemetry/config.ts';
import type { SettingsReader } from './reader.ts';

type Batches = { readonly queueSize: number; readonly batchSize: number };

/** The limits of all signals. */
export function readCommonLimits(settings: SettingsReader): SpanLimits {
  return {
    attributeCount: settings.read('OTEL_ATTRIBUTE_COUNT_LIMIT'),
    attributeValueLength: settings.read('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'),
  };
}

/** How many may wait for the receiver, and be in a batch, which is never more. */
export function readBatches(
  settings: SettingsReader,
  queue: 'OTEL_BSP_MAX_QUEUE_SIZE' | 'OTEL_BLRP_MAX_QUEUE_SIZE',
  batch: 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE' | 'OTEL_BLRP_MAX_EXPORT_BATCH_SIZE',
): Batches {
  const queueSize = settings.read(queue);
  const batchSize = settings.read(batch);
  if (batchSize > queueSize && Number(settings.text(batch)) === batchSize) {
    settings.warn(
      batch,
      `${batch} is ${batchSize}: at most ${queue}, ${queueSize}, is accepted, which is used`,
    );
  }
  return { queueSize, batchSize: Math.min(batchSize, queueSize) };
}
