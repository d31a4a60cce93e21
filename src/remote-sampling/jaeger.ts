import { isDeepStrictEqual } from 'node:util';
import { ChannelCredentials, Client } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { JaegerConfig } from '../context/sampling.ts';
import { errorText } from '../error-text.ts';
import { VERSION } from '../version.ts';
import { type JaegerStrategy, samplerOf } from './jaeger-strategy.ts';
import type { RemoteRules, RemoteRulesEvents } from './rules.ts';

const GET_SAMPLING_STRATEGY = '/jaeger.api_v2.SamplingManager/GetSamplingStrategy';

/** Timeout of a call, in milliseconds. */
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

/** Asks Jaeger, or a Collector in its place, for its sampling strategy, again and again, over gRPC. */
export class JaegerRules implements RemoteRules {
  private readonly config: JaegerConfig;
  private readonly serviceName: string;
  private readonly events: RemoteRulesEvents;
  private readonly client: Client;
  private timer: NodeJS.Timeout | undefined;
  private strategy: JaegerStrategy | undefined;
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
      // The sampler of an unchanged strategy keeps the state of its rate limits.
      if (!isDeepStrictEqual(strategy, this.strategy)) {
        const sampler = samplerOf(strategy);
        this.strategy = strategy;
        if (this.state === 'running') this.events.onRules(sampler, strategy);
      }
      if (this.state === 'running') this.events.onAnswer();
    } catch (error) {
      delay = Math.min(pollingInterval, RETRY);
      if (this.state === 'running') {
        this.events.onFailure(errorText(error));
      }
    }
    if (this.state === 'running') {
      this.timer = setTimeout(() => void this.poll(), delay);
      this.timer.unref();
    }
  }

  private ask(): Promise<JaegerStrategy> {
    const parameters = Buffer.from(Parameters.encode({ serviceName: this.serviceName }).finish());
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest<Buffer, JaegerStrategy>(
        GET_SAMPLING_STRATEGY,
        (bytes) => bytes,
        (bytes) => Response.toObject(Response.decode(bytes), DECODED) as JaegerStrategy,
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
