import { execFileSync } from 'node:child_process';
import { Agent as HttpAgent, request } from 'node:http';
import { Haproxy } from '../../src/demo/haproxy.ts';
import { OtlpSpanKind, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';
import { freePorts, type Ports } from '../../src/demo/ports.ts';
import { DemoServer } from '../../src/demo/server.ts';
import type { Words } from '../../src/wiring/options.ts';
import { AgentProcess, until } from '../agent-process.ts';
import { OtlpReceiver, type ReceiverOptions } from '../otlp-receiver.ts';
import { hasConnectionTo } from './sockets.ts';

/** The HAProxy under test; Debian's own unless the environment names another. */
export const HAPROXY = process.env.HAPROXY ?? 'haproxy';

/** Its first lines about itself, as `HAProxy version 2.6.12-1+deb12u4 …`. */
export const VERSION = execFileSync(HAPROXY, ['-v'], { encoding: 'utf8' });

/** The path of requests that ask whether all are there. */
export const PROBE = '/probe';

export type ChainOptions = {
  readonly agentEnv?: Readonly<Record<string, string>>;
  readonly receiver?: ReceiverOptions;
  /** A master process with workers, which `reload` needs. */
  readonly masterWorker?: boolean;
  /** Changes the plain configuration before `add` is run on it. */
  readonly site?: (config: string, ports: Ports) => string;
  /** Options of `add`, by name. */
  readonly add?: Words;
  /** Changes what `add` made of it. */
  readonly editConfig?: (config: string, ports: Ports) => string;
};

export type Hop = { readonly server: ReceivedSpan; readonly client: ReceivedSpan | undefined };

/** Receiver, server, agent and HAProxy on the shipped files: what an installation is. */
export class Chain {
  readonly ports: Ports;
  readonly receiver: OtlpReceiver;
  readonly haproxy: Haproxy;
  agent: AgentProcess;
  /** Those before it. */
  readonly formerAgents: AgentProcess[] = [];
  readonly server: DemoServer;
  private readonly env: Readonly<Record<string, string>>;

  private constructor(parts: {
    ports: Ports;
    receiver: OtlpReceiver;
    server: DemoServer;
    agent: AgentProcess;
    haproxy: Haproxy;
    env: Readonly<Record<string, string>>;
  }) {
    this.ports = parts.ports;
    this.receiver = parts.receiver;
    this.server = parts.server;
    this.agent = parts.agent;
    this.haproxy = parts.haproxy;
    this.env = parts.env;
  }

  static async start(options: ChainOptions = {}): Promise<Chain> {
    const ports = await freePorts();
    const receiver = await OtlpReceiver.start(options.receiver);
    const server = await DemoServer.start(ports.server, receiver.endpoint);
    const env = {
      HAPROXY_OTEL_SPOP: `127.0.0.1:${ports.spop}`,
      HAPROXY_OTEL_RECORDS: `127.0.0.1:${ports.records}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '20',
      // On a busy machine the receiver, which is the test itself, takes its time: what is exported again is doubled.
      OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
      HAPROXY_OTEL_STOP_TIMEOUT: '60000',
      ...options.agentEnv,
    };
    const agent = await AgentProcess.start(env);
    const { site, add, editConfig } = options;
    const haproxy = await Haproxy.start({
      ports,
      command: options.masterWorker ? [HAPROXY, '-W'] : [HAPROXY],
      ...(site === undefined ? {} : { site: (config) => site(config, ports) }),
      ...(add === undefined ? {} : { add }),
      ...(editConfig === undefined ? {} : { edit: (config) => editConfig(config, ports) }),
    }).catch(async (error: unknown) => {
      await agent.end();
      await server.stop();
      receiver.stop();
      throw error;
    });
    const chain = new Chain({ ports, receiver, server, agent, haproxy, env });
    // The first health check of the agent decides whether HAProxy asks it at all.
    await until('HAProxy to reach the agent', () => chain.probe()).catch(async (error: unknown) => {
      await chain.stop();
      throw error;
    });
    return chain;
  }

  async stop(): Promise<void> {
    await this.haproxy.stop();
    await this.agent.end();
    await this.server.stop();
    this.receiver.stop();
  }

  /** Ends the agent; resolves when HAProxy has seen that, as it may write records into a connection that is gone until then. */
  async stopAgent(): Promise<void> {
    await this.agent.end();
    const { records } = this.ports;
    await until('HAProxy to close the connection of its ring', () => !hasConnectionTo(records));
  }

  /** A new agent in place of one that ended. */
  async restartAgent(): Promise<void> {
    this.formerAgents.push(this.agent);
    this.agent = await AgentProcess.start(this.env);
  }

  async get(path: string, options: RequestOptions = {}): Promise<Response> {
    return get(this.ports.http, path, options);
  }

  /** HAProxy's spans of one trace, once the SERVER span is there and its CLIENT span, if `both`. */
  async hop(traceId: string, both = true): Promise<Hop> {
    return until(`the hop of trace ${traceId}`, () => {
      const spans = this.haproxySpans().filter((span) => span.traceId === traceId);
      const server = spans.find(({ kind }) => kind === OtlpSpanKind.SERVER);
      const client = spans.find(({ kind }) => kind === OtlpSpanKind.CLIENT);
      return server !== undefined && (!both || client !== undefined) && { server, client };
    });
  }

  /** The demo server's span of one trace. */
  async serverSpan(traceId: string): Promise<ReceivedSpan> {
    return until(`the server's span of trace ${traceId}`, () =>
      this.receiver.spans.find(
        (span) => span.traceId === traceId && span.resource['service.name'] === 'demo-app',
      ),
    );
  }

  haproxySpans(): ReceivedSpan[] {
    return this.receiver.spans.filter(({ resource }) => resource['service.name'] !== 'demo-app');
  }

  /** Whether a request comes back with the agent's trace id. */
  private async probe(): Promise<boolean> {
    // HAProxy may be starting.
    const response = await this.get(PROBE).catch(() => undefined);
    return response !== undefined && response.traceId !== '';
  }
}

export type RequestOptions = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  readonly agent?: HttpAgent;
  /** Leave once this holds. */
  readonly abortOnce?: () => boolean;
};

export type Response = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** From `Server-Timing`; empty when HAProxy sent none. */
  readonly traceId: string;
};

/** The trace id in a `Server-Timing` header; empty where there is none. */
export function serverTimingTraceId(serverTiming: string | string[] | undefined): string {
  return /trace;desc=00-([0-9a-f]{32})/.exec(String(serverTiming))?.[1] ?? '';
}

/** Trust as a user may set it, by path here: `/trust/restart` and so on. */
export function trustByPath(config: string): string {
  return config.replace(
    'frontend www\n',
    '$&    tcp-request content set-var(txn.otel.trust) path,field(3,/) if { path_beg /trust/ }\n',
  );
}

/** The headers that the server got, when it echoed them. */
export function echoed(response: Response): Record<string, string> {
  return JSON.parse(response.body);
}

export function get(port: number, path: string, options: RequestOptions = {}): Promise<Response> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: options.method ?? 'GET',
        headers: { ...options.headers },
        agent: options.agent ?? false,
      },
      (incoming) => {
        let body = '';
        incoming.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        incoming.once('error', reject);
        incoming.once('end', () => {
          const { headers } = incoming;
          const traceId = serverTimingTraceId(headers['server-timing']);
          resolve({ status: incoming.statusCode ?? 0, headers, body, traceId });
        });
      },
    );
    outgoing.once('error', reject);
    if (options.abortOnce !== undefined) {
      until('the time to leave', options.abortOnce).then(
        () => outgoing.destroy(new Error('left')),
        reject,
      );
    }
    outgoing.end(options.body);
  });
}

export { HttpAgent };
