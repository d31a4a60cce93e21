import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';

test('logs have the settings of their own, and the limits for all signals', () => {
  const env = {
    HAPROXY_OTEL_LOGS: 'failed',
    HAPROXY_OTEL_LOGS_BODY: 'summary',
    OTEL_ATTRIBUTE_COUNT_LIMIT: '7',
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '9',
    OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT: '8',
    OTEL_BLRP_SCHEDULE_DELAY: '20',
    OTEL_BLRP_MAX_QUEUE_SIZE: '100',
  };
  const { logs, spanLimits } = loadConfig(env).telemetry;
  expect(logs).toEqual({
    which: 'failed',
    body: 'summary',
    limits: { attributeCount: 7, attributeValueLength: 8 },
    batchSize: 100,
    scheduleDelay: 20,
    queueSize: 100,
  });
  expect(spanLimits).toEqual({ attributeCount: 7, attributeValueLength: 9 });
});

test.each([
  ['HAPROXY_OTEL_LOGS', 'some', 'one of all, sampled, failed is accepted'],
  ['HAPROXY_OTEL_LOGS_BODY', 'none', 'one of line, summary is accepted'],
  ['HAPROXY_OTEL_QUERY', 'hide', 'all, none, redact:NAME,NAME or keep:NAME,NAME is accepted'],
  ['HAPROXY_OTEL_QUERY', 'redact:', 'all, none, redact:NAME,NAME or keep:NAME,NAME is accepted'],
  ['HAPROXY_OTEL_QUERY', 'keep:a,,b', 'all, none, redact:NAME,NAME or keep:NAME,NAME is accepted'],
  ['HAPROXY_OTEL_QUERY', 'redact:a=b', 'all, none, redact:NAME,NAME or keep:NAME,NAME is accepted'],
])('%s=%s is refused', (name, value, accepted) => {
  expect(() => loadConfig({ [name]: value })).toThrow(`${name} is "${value}": ${accepted}`);
});

describe('what is shown of queries', () => {
  test.each([
    ['ALL', { kind: 'all' }],
    ['none', { kind: 'none' }],
    ['redact: token, Password', { kind: 'redact', names: ['token', 'Password'] }],
    ['keep:page', { kind: 'keep', names: ['page'] }],
  ])('%s', (value, rule) => {
    expect(loadConfig({ HAPROXY_OTEL_QUERY: value }).telemetry.queryRule).toEqual(rule);
  });
});
