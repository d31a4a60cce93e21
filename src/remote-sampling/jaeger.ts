import { isDeepStrictEqual } from 'node:util';
import { ChannelCredentials, Client } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { JaegerConfig, RootSampler } from '../context/sampling.ts';
import { randomnessOf, reaches, type Threshold, thresholdOf } from '../context/threshold.ts';
import { TokenBucket } from '../context/token-bucket.ts';
import { VERSION } from '../version.ts';
import type { RemoteRules, RemoteRulesEvents } from './rules.ts';

const GET_SAMPLING_STRATEGY = '/jaeger.api_v2.SamplingManager/GetSamplingStrategy';

/** Milliseconds that an answer may take. */
const TIMEOUT = 5_000;

/** Milliseconds until the next try after one that failed, where the interval is not shorter. */
const RETRY = 5_000;

/** Jaeger's sampling.proto, as far as it is followed. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message SamplingStrategyParameters { string service_name = 1; }
  message SamplingStrategyResponse {
    int32 strategy_type = 1;
    Probabilistic probabilistic = 2;
    RateLimiting rate_limiting = 3;
    PerOperation operations = 4;
  }
  message Probabilistic { double rate = 1; }
  message RateLimiting { int32 max_traces_per_second = 1; }
  message PerOperation {
    double default_rate = 1;
    double lower_bound = 2;
    repeated Operation strategies = 3;
  }
  message Operation { string operation = 1; Probabilistic probabilistic = 2; }
`);
const Parameters = root.lookupType('SamplingStrategyParameters');
const Response = root.lookupType('SamplingStrategyResponse');

type Strategy = {
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

/** Asks Jaeger, or a Collector in its place, for its sampling strategy, again and again, over gRPC. */
export class JaegerRules implements RemoteRules {
  private readonly config: JaegerConfig;
  private readonly serviceName: string;
  private readonly events: RemoteRulesEvents;
  private readonly client: Client;
  private timer: NodeJS.Timeout | undefined;
  private strategy: Strategy | undefined;
  private state: 'running' | 'stopped' = 'running';

  constructor(config: JaegerConfig, serviceName: string, events: RemoteRulesEvents) {
    this.config = config;
    this.serviceName = serviceName;
    this.events = events;
    const { protocol, host } = new URL(config.endpoint);
    const credentials =
      protocol === 'https:' ? ChannelCredentials.createSsl() : ChannelCredentials.createInsecure();
    this.client = new Client(host, credentials, {
      'grpc.max_reconnect_backoff_ms': RETRY,
      'grpc.primary_user_agent': `haproxy-otel-spoa/${VERSION}`,
    });
    void this.poll();
  }

  stop(): void {
    this.state = 'stopped';
    clearTimeout(this.timer);
    this.client.close();
  }

  private async poll(): Promise<void> {
    const { pollingInterval } = this.config;
    let delay = pollingInterval;
    try {
      const strategy = await this.ask();
      // Who hears the same again keeps what its limits have counted so far.
      if (!isDeepStrictEqual(strategy, this.strategy)) {
        const sampler = samplerOf(strategy);
        this.strategy = strategy;
        if (this.state === 'running') this.events.onRules(sampler, strategy);
      }
      if (this.state === 'running') this.events.onAnswer();
    } catch (error) {
      delay = Math.min(pollingInterval, RETRY);
      if (this.state === 'running') {
        this.events.onFailure(error instanceof Error ? error.message : String(error));
      }
    }
    if (this.state === 'running') {
      this.timer = setTimeout(() => void this.poll(), delay);
      this.timer.unref();
    }
  }

  private ask(): Promise<Strategy> {
    const parameters = Buffer.from(Parameters.encode({ serviceName: this.serviceName }).finish());
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest<Buffer, Strategy>(
        GET_SAMPLING_STRATEGY,
        (bytes) => bytes,
        (bytes) => Response.toObject(Response.decode(bytes), DECODED) as Strategy,
        parameters,
        { deadline: Date.now() + TIMEOUT },
        (error, strategy) => {
          if (strategy === undefined) reject(error ?? new Error('no answer'));
          else resolve(strategy);
        },
      );
    });
  }
}

const DECODED = { arrays: true, defaults: true, objects: false } as const;

const RATE_LIMITING = 1;

/** @throws Error for a strategy that nobody can follow */
function samplerOf({
  strategyType,
  probabilistic,
  rateLimiting,
  operations,
}: Strategy): RootSampler {
  if (operations && operations.strategies.length > 0) return operationSampler(operations);
  if (strategyType === RATE_LIMITING) return rateLimiter(rateLimiting?.maxTracesPerSecond ?? 0);
  if (!probabilistic) throw new Error('the sampling strategy is neither a rate nor a limit');
  const share = shareOf(probabilistic.rate);
  return (bytes, traceId) => isKept(bytes, traceId, share);
}

/** So many traces a second; 0 is none. */
function rateLimiter(perSecond: number): RootSampler {
  if (!(perSecond > 0)) return () => false;
  const bucket = new TokenBucket(perSecond);
  return () => bucket.take();
}

/**
 * A share by operation, which is the span's name as far as it is known when the request starts; of each that is
 * listed, and of all others together, at least so many a second.
 */
function operationSampler({
  defaultRate,
  lowerBound,
  strategies,
}: NonNullable<Strategy['operations']>): RootSampler {
  const operation = (rate: number): RootSampler => {
    const share = shareOf(rate);
    const floor = rateLimiter(lowerBound);
    return (bytes, traceId, request) =>
      // A trace that is kept in any case counts too.
      floor(bytes, traceId, request) || isKept(bytes, traceId, share);
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

function isKept(bytes: Uint8Array, traceId: number, share: Threshold | undefined): boolean {
  return share !== undefined && reaches(bytes, randomnessOf(traceId), share);
}
