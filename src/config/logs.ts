import type { LogsConfig, SpanLimits } from '../telemetry/config.ts';
import { readBatches } from './limits.ts';
import type { SettingsReader } from './reader.ts';

/** @param limits for all signals */
export function readLogs(settings: SettingsReader, limits: SpanLimits): LogsConfig {
  return {
    which: settings.read('HAPROXY_OTEL_LOGS'),
    body: settings.read('HAPROXY_OTEL_LOGS_BODY'),
    limits: {
      attributeCount:
        settings.read('OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT') ?? limits.attributeCount,
      attributeValueLength:
        settings.read('OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT') ?? limits.attributeValueLength,
    },
    ...readBatches(settings, 'OTEL_BLRP_MAX_QUEUE_SIZE', 'OTEL_BLRP_MAX_EXPORT_BATCH_SIZE'),
    scheduleDelay: settings.read('OTEL_BLRP_SCHEDULE_DELAY'),
  };
}
