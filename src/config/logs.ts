import {
  type Env,
  integerFrom,
  LONGEST,
  oneOf,
  type Parser,
  read,
  readOrWarn,
  type Warn,
} from '../settings.ts';
import type { LogsConfig, SpanLimits, TelemetryConfig } from '../telemetry/config.ts';
import { readBatches, readLimits } from './limits.ts';

/** @param limits for all signals */
export function readLogs(env: Env, warn: Warn, limits: SpanLimits): LogsConfig {
  return {
    which: read(env, 'HAPROXY_OTEL_LOGS', 'all', oneOf(['all', 'sampled', 'failed'])),
    body: read(env, 'HAPROXY_OTEL_LOGS_BODY', 'line', oneOf(['line', 'summary'])),
    limits: readLimits(
      env,
      warn,
      {
        length: 'OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT',
        count: 'OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT',
      },
      limits,
    ),
    ...readBatches(env, warn, {
      queue: 'OTEL_BLRP_MAX_QUEUE_SIZE',
      batch: 'OTEL_BLRP_MAX_EXPORT_BATCH_SIZE',
    }),
    scheduleDelay: readOrWarn(
      env,
      'OTEL_BLRP_SCHEDULE_DELAY',
      1_000,
      integerFrom(0, LONGEST),
      warn,
    ),
  };
}

type QueryRule = TelemetryConfig['queryRule'];

export function readQueryRule(env: Env): QueryRule {
  return read(env, 'HAPROXY_OTEL_QUERY', { kind: 'all' } as const, queryRule);
}

const queryRule: Parser<QueryRule> = {
  accepts: 'all, none, redact:NAME,NAME or keep:NAME,NAME',
  parse: (text) => {
    const plain = oneOf(['all', 'none']).parse(text);
    if (plain !== undefined) return { kind: plain };
    const [, word = '', list = ''] = /^(redact|keep):(.*)$/is.exec(text) ?? [];
    const kind = oneOf(['redact', 'keep']).parse(word);
    const names = list.split(',').map((name) => name.trim());
    const isList = names.every((name) => /^[^\s&;=?#]+$/.test(name));
    return kind !== undefined && isList ? { kind, names } : undefined;
  },
};
