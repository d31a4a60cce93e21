import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DiagConsoleLogger, diag } from '@opentelemetry/api';
import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import {
  NOT_DESCRIBED,
  type RequestDescription,
  Sampler,
  type SamplerConfig,
} from '../../src/context/sampling.ts';
import { RemoteSampling } from '../../src/remote-sampling/remote-sampling.ts';
import { until } from '../agent-process.ts';
import { JaegerService, type Strategy, startXrayService } from './services.ts';

const INITIALLY_NONE = 0;
const running: { stop(): void }[] = [];
afterEach(() => {
  for (const each of running.splice(0).reverse()) each.stop();
});

/** A sampler that follows a service, and what was logged about it. */
function follow(config: SamplerConfig, resource = { 'service.name': 'edge' }) {
  const logs: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => logs.push(JSON.parse(line)) });
  const sampler = new Sampler(config);
  const sampling = new RemoteSampling(sampler, resource, log);
  running.push(sampling);
  sampling.use(config);
  const told = (msg: string): Promise<Record<string, unknown>> =>
    until(msg, () => logs.find((line) => line.msg === msg));
  /** Of `count` traces that start here in one moment, however long that takes, how many are sampled. */
  const kept = (count: number, request: Partial<RequestDescription> = {}): number => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
    let sum = 0;
    for (let i = 0; i < count; i += 1) {
      const id = Buffer.from(randomBytes(16).toString('hex'));
      const described = { ...NOT_DESCRIBED, ...request };
      if (sampler.decide(undefined, id, 0, undefined, undefined, described)) sum += 1;
    }
    clock.mockRestore();
    return sum;
  };
  return { sampler, sampling, logs, told, kept };
}

const RULES = 'rules for sampling';

async function jaeger(strategy?: Strategy, config: Partial<SamplerConfig> = {}) {
  const service = await JaegerService.start(strategy);
  running.push(service);
  const remote = {
    kind: 'jaeger_remote',
    endpoint: service.endpoint,
    pollingInterval: 50,
  } as const;
  const name = 'parentbased_jaeger_remote';
  const all = { name, ratio: INITIALLY_NONE, remote, ...config } as const;
  return { service, config: all, ...follow(all) };
}

const share = (samplingRate: number): Strategy => ({ probabilisticSampling: { samplingRate } });

test('Jaeger is polled for the strategy of this service, and a share of traces is sampled', async () => {
  const { service, kept, told } = await jaeger(share(0.25));
  expect(await told(RULES)).toMatchObject({ jaeger_remote: { probabilistic: { rate: 0.25 } } });
  expect(service.asked[0]).toBe('edge');
  // Five standard deviations of a binomial distribution.
  expect(Math.abs(kept(4_000) - 1_000)).toBeLessThan(137);
});

test('another strategy is in force at the next answer', async () => {
  const { service, kept, told, logs } = await jaeger(share(0));
  await told(RULES);
  expect(kept(1_000)).toBe(0);
  service.strategy = share(1);
  await until('the other strategy', () => kept(10) === 10);
  expect(logs.filter(({ msg }) => msg === RULES)).toHaveLength(2);
});

test("a caller's decision stands with parentbased_jaeger_remote, and does not with jaeger_remote", async () => {
  const id = Buffer.from('f'.repeat(32));
  const parentBased = await jaeger(share(0));
  await parentBased.told(RULES);
  expect(parentBased.sampler.decide(true, id, 0)).toBe(true);
  const own = await jaeger(share(0), { name: 'jaeger_remote' });
  await own.told(RULES);
  expect(own.sampler.decide(true, id, 0)).toBe(false);
});

test('so many traces a second', async () => {
  const { kept, told } = await jaeger({
    strategyType: 'RATE_LIMITING',
    rateLimitingSampling: { maxTracesPerSecond: 5 },
  });
  await told(RULES);
  expect(kept(1_000)).toBe(5);
  await until('the next second', () => kept(1) === 1);
});

test('none a second', async () => {
  const { kept, told } = await jaeger({ strategyType: 'RATE_LIMITING', rateLimitingSampling: {} });
  await told(RULES);
  expect(kept(1_000)).toBe(0);
});

test('a share by operation, and of all others', async () => {
  const { kept, told } = await jaeger({
    operationSampling: {
      defaultSamplingProbability: 0,
      perOperationStrategies: [
        { operation: 'GET /cart', probabilisticSampling: { samplingRate: 1 } },
        { operation: 'POST', probabilisticSampling: { samplingRate: 1 } },
      ],
    },
  });
  await told(RULES);
  expect(kept(100, { method: 'GET', route: '/cart' })).toBe(100);
  expect(kept(100, { method: 'POST' })).toBe(100);
  expect(kept(100, { method: 'GET', route: '/other' })).toBe(0);
  expect(kept(100)).toBe(0);
});

test('a share of all operations, where none is listed', async () => {
  const { kept, told } = await jaeger({ operationSampling: { defaultSamplingProbability: 1 } });
  await told(RULES);
  expect(kept(100, { method: 'GET' })).toBe(100);
});

test('of a rare operation at least so many a second', async () => {
  const { kept, told } = await jaeger({
    operationSampling: {
      defaultSamplingProbability: 0,
      defaultLowerBoundTracesPerSecond: 2,
      perOperationStrategies: [
        { operation: 'GET /rare', probabilisticSampling: { samplingRate: 0 } },
      ],
    },
  });
  await told(RULES);
  expect(kept(100, { method: 'GET', route: '/rare' })).toBe(2);
  expect(kept(100, { method: 'GET', route: '/other' })).toBe(2);
});

test('the limit of the agent applies to the strategy of a service', async () => {
  const { kept, told, sampler } = await jaeger(share(1), { maxTracesPerSecond: 3 });
  await told(RULES);
  expect(kept(100)).toBe(3);
  expect(sampler.limited).toBe(97);
});

test('the initial share is in force until there is an answer, the last strategy when there is none', async () => {
  const { service, kept, told, logs } = await jaeger(
    { code: 14, details: 'not yet' },
    { ratio: 1 },
  );
  const away = 'no rules for sampling, those before stay';
  expect(await told(away)).toMatchObject({ level: 40, reason: '14 UNAVAILABLE: not yet' });
  expect(kept(10)).toBe(10);
  service.strategy = share(0);
  await told('the service with the rules for sampling answers again');
  expect(kept(10)).toBe(0);
  service.strategy = { code: 12, details: 'no such service' };
  await until('the second episode', () => logs.filter(({ msg }) => msg === away)[1]);
  expect(kept(10)).toBe(0);
  const { length } = service.asked;
  await until('further questions', () => service.asked.length > length + 3);
  // Once an episode.
  expect(logs.filter(({ msg }) => msg === away)).toHaveLength(2);
});

test.each<[string, Strategy, string]>([
  ['a rate above 1', share(1.5), 'the sampling rate is 1.5: 0 to 1 is accepted'],
  ['a rate that is no number', share(Number.NaN), 'the sampling rate is NaN: 0 to 1 is accepted'],
  ['nothing', {}, 'the sampling strategy is neither a rate nor a limit'],
])('%s is no strategy: what is in force stays', async (_name, strategy, reason) => {
  const { kept, told } = await jaeger(strategy, { ratio: 1 });
  expect(await told('no rules for sampling, those before stay')).toMatchObject({ reason });
  expect(kept(10)).toBe(10);
});

test('a sampler without a service replaces it, and nothing is polled any more', async () => {
  const { service, kept, told, sampling } = await jaeger(share(0));
  await told(RULES);
  sampling.use({ name: 'parentbased_always_on', ratio: 1 });
  expect(kept(10)).toBe(10);
  const other = await jaeger(share(1));
  // A question may be on its way.
  await until('another to be asked meanwhile', () => other.service.asked.length > 5);
  const { length } = service.asked;
  await until('it to be asked again', () => other.service.asked.length > 10);
  expect(service.asked.length).toBe(length);
});

test('the same service again retains its strategy', async () => {
  const { kept, told, sampling, config, logs } = await jaeger(share(1));
  await told(RULES);
  sampling.use({ ...config, maxTracesPerSecond: 2 });
  expect(kept(10)).toBe(2);
  expect(logs.filter(({ msg }) => msg === RULES)).toHaveLength(1);
});

/** Follows X-Ray's rules once they have come. */
async function xray(...rules: Parameters<typeof startXrayService>[0]) {
  const service = await startXrayService(rules);
  running.push(service);
  const remote = { kind: 'xray', endpoint: service.endpoint } as const;
  const followed = follow({ name: 'xray', ratio: 0.05, remote });
  await until('the rules', () => service.asked.includes('POST /GetSamplingRules'));
  return followed;
}

test('X-Ray: the first rule that matches decides, by method, host, path and service', async () => {
  const { kept } = await xray(
    { HTTPMethod: 'DELETE', FixedRate: 1 },
    { Host: 'shop.example', URLPath: '/cart/*', FixedRate: 1 },
    { ServiceName: 'another', FixedRate: 1 },
    { ServiceName: 'edge', FixedRate: 0 },
  );
  const cart = { method: 'GET', host: 'shop.example:8080', path: '/cart/7' };
  await until('them in force', () => kept(20, cart) === 20);
  expect(kept(100, { ...cart, host: 'www.example' })).toBe(0);
  expect(kept(100, { ...cart, path: '/carts' })).toBe(0);
  expect(kept(100, { method: 'DELETE' })).toBe(100);
  expect(kept(100)).toBe(0);
});

test("X-Ray: a caller's decision stands", async () => {
  const { kept, sampler } = await xray({ FixedRate: 0 });
  await until('the rule in force', () => kept(200) === 0);
  expect(sampler.decide(true, Buffer.from('f'.repeat(32)), 0)).toBe(true);
  expect(sampler.decide(false, Buffer.from('f'.repeat(32)), 0)).toBe(false);
});

test('X-Ray away: one trace a second and a twentieth, and it is logged', async () => {
  const service = await startXrayService([]);
  service.stop();
  const remote = { kind: 'xray', endpoint: service.endpoint } as const;
  const { kept, told } = follow({ name: 'xray', ratio: 0.05, remote });
  const { reason } = await told('no rules for sampling, those before stay');
  expect(reason).toContain('ECONNREFUSED');
  expect(Math.abs(kept(4_000) - 201)).toBeLessThan(69);
});

test('X-Ray that does not answer is not waited for', async () => {
  const service = await startXrayService([]);
  running.push(service);
  const remote = { kind: 'xray', endpoint: service.endpoint } as const;
  const { told } = follow({ name: 'xray', ratio: 0.05, remote });
  const { reason } = await told('no rules for sampling, those before stay');
  expect(reason).toContain('no answer in 5000 ms');
});

test('X-Ray that answers with something else is logged', async () => {
  const server = createServer((_, response) => response.end('{"Message":"Forbidden"}'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  running.push({ stop: () => void server.close().closeAllConnections() });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { told } = follow({ name: 'xray', ratio: 0.05, remote: { kind: 'xray', endpoint } });
  const { reason } = await told('no rules for sampling, those before stay');
  expect(reason).toContain('no rules');
});

test("X-Ray's sampler changes nothing for others in its thread: neither their requests nor their log", async () => {
  const logged: unknown[] = [];
  const log = Object.assign(new DiagConsoleLogger(), { warn: (text: string) => logged.push(text) });
  diag.setLogger(log);
  running.push({ stop: () => diag.disable() });
  await xray({ FixedRate: 0 });
  diag.warn('of another package');
  expect(logged).toEqual(['of another package']);
  const other = await startXrayService([]);
  running.push(other);
  const own = request(`${other.endpoint}/v1/traces`, { method: 'POST' }).on('error', () => {});
  own.end();
  await until('the request', () => other.asked.includes('POST /v1/traces'));
  expect(own.listenerCount('timeout')).toBe(0);
  own.destroy();
});
