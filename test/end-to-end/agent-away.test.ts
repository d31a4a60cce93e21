import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../agent-process.ts';
import { Chain, echoed, type RequestOptions, type Response, trustByPath } from './chain.ts';

const PARENT_ID = 'b7ad6b7169203331';
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

let chain: Chain;
beforeAll(async () => {
  chain = await Chain.start({
    site: (config) =>
      trustByPath(config).replace(
        /# (tcp-request content set-var\(txn.otel.ratio\) str\(0\))/,
        '$1',
      ),
  });
  await chain.stopAgent();
});
afterAll(() => chain.stop());

const callers = new Map<string, Response>();

/** Sends a request while the agent is away, to be inspected when it is back. */
async function send(path: string, headers: RequestOptions['headers'] = {}): Promise<Response> {
  const response = await chain.get(path, { headers });
  expect(response.status).toBe(200);
  callers.set(path, response);
  return response;
}

function upstream(response: Response): { traceId: string; spanId: string; flags: string } {
  const [, traceId = '', spanId = '', flags = ''] =
    TRACEPARENT.exec(echoed(response).traceparent ?? '') ?? [];
  return { traceId, spanId, flags };
}

const trace = (digit: string): string => digit.repeat(32);

describe('HAProxy itself', () => {
  test('starts a trace: random ids, sampled, sent to the client', async () => {
    const first = upstream(await send('/start/1'));
    const second = upstream(await send('/start/2'));
    expect(first.flags).toBe('03');
    expect(first.traceId).not.toBe(second.traceId);
    expect(first.spanId).not.toBe(second.spanId);
    const response = callers.get('/start/1');
    expect(response?.traceId).toBe(first.traceId);
    expect(response?.headers['server-timing']).toMatch(
      new RegExp(`^trace;desc=00-${first.traceId}-[0-9a-f]{16}-03$`),
    );
  });

  test.each([
    ['01', '01'],
    ['00', '00'],
    ['02', '02'],
    ['03', '03'],
    ['ff', '03'],
    ['04', '00'],
    ['e9', '01'],
  ])('continues a trace with flags %s as %s', async (flags, expected) => {
    const traceId = trace('d').slice(2) + flags;
    const response = await send(`/continue/${flags}`, {
      traceparent: `00-${traceId}-${PARENT_ID}-${flags}`,
      tracestate: 'a=1,b="2"',
    });
    expect(upstream(response)).toMatchObject({ traceId, flags: expected });
    expect(upstream(response).spanId).not.toBe(PARENT_ID);
    expect(echoed(response).tracestate).toBe('a=1,b="2"');
  });

  test.each([
    ['a future version', `cc-${trace('a')}-${PARENT_ID}-01`],
    ['a future version with more', `cc-${trace('a')}-${PARENT_ID}-01-more`],
  ])('continues %s as version 00', async (_name, traceparent) => {
    expect(upstream(await send('/future', { traceparent }))).toMatchObject({ traceId: trace('a') });
  });

  test.each([
    ['version ff', `ff-${trace('b')}-${PARENT_ID}-01`],
    ['more behind version 00', `00-${trace('b')}-${PARENT_ID}-01-more`],
    ['a zero trace id', `00-${trace('0')}-${PARENT_ID}-01`],
    ['a zero parent id', `00-${trace('b')}-${'0'.repeat(16)}-01`],
    ['upper case', `00-${trace('B')}-${PARENT_ID}-01`],
    ['a short trace id', `00-${trace('b').slice(1)}-${PARENT_ID}-01`],
    ['nonsense', 'nonsense'],
  ])('does not continue %s, and drops its tracestate', async (_name, traceparent) => {
    const response = await send('/invalid', { traceparent, tracestate: 'a=1' });
    expect(upstream(response).traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(traceparent.toLowerCase()).not.toContain(upstream(response).traceId);
    expect(echoed(response).tracestate).toBeUndefined();
  });

  test.each(['restart', 'ignore', 'retsart'])(
    'does not continue one that is not trusted: %s',
    async (trust) => {
      const traceparent = `00-${trace('f')}-${PARENT_ID}-01`;
      const headers = { traceparent, tracestate: 'a=1', baggage: 'a=1' };
      const response = await send(`/trust/${trust}`, headers);
      expect(upstream(response).traceId).not.toBe(trace('f'));
      expect(echoed(response).tracestate).toBeUndefined();
      expect(echoed(response).baggage).toBeUndefined();
    },
  );

  test.each([
    ['an upper-case key', 'A=1'],
    ['an empty value', 'a='],
    ['33 members', Array.from({ length: 33 }, (_, i) => `k${i}=v`).join(',')],
    ['an equals sign in a value', 'a=1=2'],
    ['a key alone', 'a=1,b'],
  ])('drops a tracestate with %s', async (_name, tracestate) => {
    const traceparent = `00-${trace('9')}-${PARENT_ID}-01`;
    const response = await send('/malformed', { traceparent, tracestate });
    expect(upstream(response).traceId).toBe(trace('9'));
    expect(echoed(response).tracestate).toBeUndefined();
  });

  test('does not sample a new trace of a route whose ratio is 0', async () => {
    expect(upstream(await send('/healthz')).flags).toBe('02');
  });

  test('does not continue two traceparents', async () => {
    const traceparent = `00-${trace('e')}-${PARENT_ID}-01`;
    const response = await send('/two', { traceparent: [traceparent, traceparent] });
    expect(upstream(response).traceId).not.toBe(trace('e'));
  });
});

test('when the agent is back, these hops are exported and marked', async () => {
  await chain.restartAgent();
  const started = callers.get('/start/1') as Response;
  const hop = await chain.hop(started.traceId);
  expect(hop.server).toMatchObject({ parentSpanId: '', flags: 0x103 });
  expect(hop.server.attributes['haproxy.agent_away']).toBe(true);
  expect(hop.client?.spanId).toBe(upstream(started).spanId);
  expect((await chain.serverSpan(started.traceId)).parentSpanId).toBe(hop.client?.spanId);

  const continued = callers.get('/continue/01') as Response;
  const { server, client } = await chain.hop(continued.traceId);
  expect(server).toMatchObject({ parentSpanId: PARENT_ID, traceState: 'a=1,b="2"', flags: 0x301 });
  expect(client?.parentSpanId).toBe(server.spanId);

  const unsampled = callers.get('/continue/00') as Response;
  expect(chain.haproxySpans().filter(({ traceId }) => traceId === unsampled.traceId)).toEqual([]);

  await until('the agent to be asked again', async () => {
    const { traceId } = await chain.get('/back');
    return (await chain.hop(traceId)).server.attributes['haproxy.agent_away'] === undefined;
  });
});

test('an agent that the check has seen to be away costs nothing', async () => {
  const down = /Server otel-agents\/agent is DOWN/g;
  const times = (): number => chain.haproxy.output.match(down)?.length ?? 0;
  const before = times();
  await chain.stopAgent();
  await until('HAProxy to mark the agent down', () => times() > before);
  const waits: number[] = [];
  for (let i = 0; i < 30; i += 1) {
    const { traceId } = await chain.get(`/down/${i}`);
    callers.set(`/down/${i}`, { traceId } as Response);
  }
  await chain.restartAgent();
  for (let i = 0; i < 30; i += 1) {
    const { server } = await chain.hop(callers.get(`/down/${i}`)?.traceId ?? '');
    expect(server.attributes['haproxy.agent_away']).toBe(true);
    waits.push(Number(server.attributes['haproxy.phase.agent_us']));
  }
  // The engine's timeout is 50 ms; the typical request does not wait a fiftieth of it.
  expect(waits.sort((a, b) => a - b)[15]).toBeLessThan(1000);
  await until('the agent to be asked again', async () => {
    const { traceId } = await chain.get('/back');
    return (await chain.hop(traceId)).server.attributes['haproxy.agent_away'] === undefined;
  });
});

test('an agent that does not answer (SIGSTOP) delays requests, and none fails', async () => {
  chain.agent.process.kill('SIGSTOP');
  const responses: Response[] = [];
  for (let i = 0; i < 50; i += 1) responses.push(await chain.get(`/stopped/${i}`));
  chain.agent.process.kill('SIGCONT');
  expect(responses.map(({ status }) => status)).toEqual(Array(50).fill(200));
  for (const [i, { traceId }] of responses.entries()) {
    const { server } = await chain.hop(traceId);
    expect(server.attributes).toMatchObject({
      'url.path': `/stopped/${i}`,
      'haproxy.agent_away': true,
    });
  }
});
