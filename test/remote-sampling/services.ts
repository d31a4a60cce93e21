import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** Jaeger's sampling.proto (api_v2), whole. */
const { root } = protobuf.parse(
  `
  syntax = "proto3";
  package jaeger.api_v2;
  enum SamplingStrategyType { PROBABILISTIC = 0; RATE_LIMITING = 1; }
  message ProbabilisticSamplingStrategy { double samplingRate = 1; }
  message RateLimitingSamplingStrategy { int32 maxTracesPerSecond = 1; }
  message OperationSamplingStrategy {
    string operation = 1;
    ProbabilisticSamplingStrategy probabilisticSampling = 2;
  }
  message PerOperationSamplingStrategies {
    double defaultSamplingProbability = 1;
    double defaultLowerBoundTracesPerSecond = 2;
    repeated OperationSamplingStrategy perOperationStrategies = 3;
    double defaultUpperBoundTracesPerSecond = 4;
  }
  message SamplingStrategyResponse {
    SamplingStrategyType strategyType = 1;
    ProbabilisticSamplingStrategy probabilisticSampling = 2;
    RateLimitingSamplingStrategy rateLimitingSampling = 3;
    PerOperationSamplingStrategies operationSampling = 4;
  }
  message SamplingStrategyParameters { string serviceName = 1; }
  `,
  { keepCase: true },
);
const Parameters = root.lookupType('jaeger.api_v2.SamplingStrategyParameters');
const Response = root.lookupType('jaeger.api_v2.SamplingStrategyResponse');

/** In JSON, as Jaeger's documentation has it. */
export type Strategy = Readonly<Record<string, unknown>>;

/** Serves `strategy` over gRPC, as Jaeger does; `undefined` is never answered, an error is sent. */
export class JaegerService {
  strategy: Strategy | Partial<ServiceError> | undefined;
  /** The services that were asked for. */
  readonly asked: string[] = [];
  readonly endpoint: string;
  private readonly server: Server;

  private constructor(server: Server, port: number, strategy: Strategy | undefined) {
    this.server = server;
    this.endpoint = `http://127.0.0.1:${port}`;
    this.strategy = strategy;
    server.addService(
      {
        getSamplingStrategy: {
          path: '/jaeger.api_v2.SamplingManager/GetSamplingStrategy',
          requestStream: false,
          responseStream: false,
          requestSerialize: (bytes: Buffer) => bytes,
          requestDeserialize: (bytes: Buffer) => Parameters.decode(bytes).toJSON(),
          responseSerialize: (answer: Strategy) =>
            Buffer.from(Response.encode(Response.fromObject(answer)).finish()),
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      {
        getSamplingStrategy: (
          call: ServerUnaryCall<{ serviceName: string }, Strategy>,
          callback: sendUnaryData<Strategy>,
        ) => {
          this.asked.push(call.request.serviceName);
          const { strategy } = this;
          if (strategy === undefined) return;
          if ('code' in strategy) callback(strategy as Partial<ServiceError>);
          else callback(null, strategy as Strategy);
        },
      },
    );
  }

  static async start(strategy?: Strategy): Promise<JaegerService> {
    const server = new Server();
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return new JaegerService(server, port, strategy);
  }

  stop(): void {
    this.server.forceShutdown();
  }
}

/** A rule of X-Ray that matches everything. */
export const XRAY_RULE = {
  Attributes: {},
  FixedRate: 0,
  HTTPMethod: '*',
  Host: '*',
  Priority: 100,
  ReservoirSize: 0,
  ResourceARN: '*',
  RuleARN: 'arn:aws:xray:us-east-1:123456789012:sampling-rule/rule',
  RuleName: 'rule',
  ServiceName: '*',
  ServiceType: '*',
  URLPath: '*',
  Version: 1,
};

/** Hands out rules over HTTP, as the X-Ray daemon does; without any, it does not answer. */
export async function startXrayService(
  rules: readonly Partial<typeof XRAY_RULE>[],
): Promise<{ readonly endpoint: string; readonly asked: string[]; stop(): void }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume();
    if (rules.length === 0) return;
    const records = rules.map((rule, index) => ({
      CreatedAt: 0,
      ModifiedAt: 0,
      SamplingRule: { ...XRAY_RULE, RuleName: `rule ${index}`, Priority: index + 1, ...rule },
    }));
    response.end(JSON.stringify({ NextToken: null, SamplingRuleRecords: records }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
