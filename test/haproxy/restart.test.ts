import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OtlpSpanKind } from '../../src/demo/otlp-receiver.ts';
import { until } from '../agent-process.ts';
import { Chain, HttpAgent, type Response } from './chain.ts';

let chain: Chain;
beforeAll(async () => {
  chain = await Chain.start();
}, 60_000);
afterAll(() => chain.stop());

const CLIENTS = 20;

/** Clients that send one request after the other until told to stop; every answer is kept. */
class Load {
  readonly responses: Response[] = [];
  readonly failures: unknown[] = [];
  private running = true;
  private readonly clients: Promise<void>[];
  private readonly agent = new HttpAgent({ keepAlive: true, maxSockets: CLIENTS });

  constructor(path: string) {
    this.clients = Array.from({ length: CLIENTS }, async () => {
      while (this.running) {
        await chain.get(path, { agent: this.agent }).then(
          (response) => this.responses.push(response),
          (error: unknown) => this.failures.push(error),
        );
      }
    });
  }

  /** Waits until as many more answers came. */
  async more(count: number): Promise<void> {
    const enough = this.responses.length + count;
    await until(`${count} more answers`, () => this.responses.length >= enough);
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.clients);
    this.agent.destroy();
  }
}

function serverSpans(path: string) {
  return chain
    .haproxySpans()
    .filter(
      ({ kind, attributes }) => kind === OtlpSpanKind.SERVER && attributes['url.path'] === path,
    );
}

describe('an agent that is stopped under load and started again', () => {
  test('no request fails, no hop is lost, none comes twice', async () => {
    const load = new Load('/restart');
    await load.more(500);
    expect(await chain.agent.end('SIGTERM')).toBe(0);
    await load.more(200);
    await chain.restartAgent();
    await load.more(500);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.responses.filter(({ status }) => status !== 200)).toEqual([]);

    await until('all hops', () => serverSpans('/restart').length >= load.responses.length);
    const spans = serverSpans('/restart');
    expect(spans).toHaveLength(load.responses.length);
    const traces = new Set(spans.map(({ traceId }) => traceId));
    expect(traces.size).toBe(load.responses.length);
    expect(load.responses.filter(({ traceId }) => !traces.has(traceId))).toEqual([]);
    // While it was away HAProxy minted, and the records waited.
    const away = spans.filter(({ attributes }) => attributes['haproxy.agent_away'] === true);
    expect(away.length).toBeGreaterThanOrEqual(200 - CLIENTS);
    expect(away.length).toBeLessThan(load.responses.length);
  }, 60_000);
});

describe('an agent that is killed under load and started again', () => {
  test('no request fails, no hop comes twice, none is lost of what came after', async () => {
    const load = new Load('/kill');
    await load.more(500);
    await chain.agent.end('SIGKILL');
    await load.more(200);
    await chain.restartAgent();
    const restarted = load.responses.length + CLIENTS;
    await load.more(500);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.responses.filter(({ status }) => status !== 200)).toEqual([]);
    const after = load.responses.slice(restarted);
    await until('all hops of the new agent', () => {
      const traces = new Set(serverSpans('/kill').map(({ traceId }) => traceId));
      return after.every(({ traceId }) => traces.has(traceId));
    });
    const spans = serverSpans('/kill');
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(spans.length);
  }, 60_000);
});
