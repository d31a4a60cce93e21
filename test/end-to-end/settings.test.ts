import { afterEach, expect, test } from 'vitest';
import { until } from '../agent-process.ts';
import { Chain } from './chain.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

test("OpenTelemetry's settings, as other SDKs read them, on spans of HAProxy", async () => {
  const chain = await Chain.start({
    agentEnv: {
      OTEL_RESOURCE_ATTRIBUTES: 'owner=a=b==,team=%2C%25',
      OTEL_PROPAGATORS: 'tracecontext,b3,tracecontext',
      OTEL_ATTRIBUTE_COUNT_LIMIT: '3',
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '12',
      OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5',
      OTEL_BSP_MAX_QUEUE_SIZE: 'many',
      OTEL_LOGS_EXPORTER: 'none',
    },
  });
  ends.push(() => chain.stop());
  const { server, client } = await chain.hop((await chain.get('/api/settings')).traceId);
  expect(server.resource).toMatchObject({ owner: 'a=b==', team: ',%' });
  for (const span of [server, client]) {
    expect(Object.keys(span?.attributes ?? {})).toHaveLength(12);
    expect(span?.droppedAttributes).toBeGreaterThan(0);
    for (const value of Object.values(span?.attributes ?? {})) {
      if (typeof value === 'string') expect(value.length).toBeLessThanOrEqual(5);
    }
  }
  const warned = await until('the warning', () => chain.agent.logged('a setting needs attention'));
  expect(warned).toMatchObject({ level: 'warn', setting: 'OTEL_BSP_MAX_QUEUE_SIZE' });
  // The variable of another signal is not the agent's business.
  expect(chain.agent.logs.filter(({ level }) => level === 'warn')).toHaveLength(1);
});
