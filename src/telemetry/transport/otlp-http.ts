import { type Agent, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { targetOf } from '../../endpoint.ts';
import { VERSION } from '../../version.ts';
import type { OtlpConfig, Signal } from '../config.ts';
import { CONNECT_LIMIT } from './grpc-connection.ts';
import { type HttpRoute, routeTo } from './http-agent.ts';
import { HttpFaults } from './http-fault.ts';
import { type HttpResponse, MAX_RESPONSE, resultOf } from './http-response.ts';
import type { OtlpClient, SendResult } from './otlp.ts';
import { SIGNALS, type SignalProtocol } from './signal.ts';

type Attempt =
  | { readonly kind: 'answered'; readonly response: HttpResponse }
  | {
      readonly kind: 'failed';
      readonly error: NodeJS.ErrnoException;
      /** It was a reused connection that had been closed meanwhile. */
      readonly stale: boolean;
    };

const compress = promisify(gzip);

/**
 * OTLP over HTTP/1.1, with Node's own client: requests have a length, which gateways want, and connections that are
 * dead can be left.
 */
export class HttpClient implements OtlpClient {
  private readonly protocol: SignalProtocol;
  private readonly config: OtlpConfig;
  private readonly target: string;
  private readonly path: string;
  private readonly route: HttpRoute;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly faults: HttpFaults;
  private readonly request: typeof requestHttp;
  private agent: Agent;
  private inFlight = 0;
  private state: 'open' | 'closing' = 'open';

  /** @throws the system's error when a certificate or key cannot be read, OpenSSL's when it cannot be used */
  constructor(signal: Signal, config: OtlpConfig) {
    this.protocol = SIGNALS[signal];
    this.config = config;
    this.route = routeTo(config, this.protocol.path, CONNECT_LIMIT);
    this.target = targetOf(config.endpoint);
    const secure = /^https:/i.test(config.endpoint);
    this.request = secure ? requestHttps : requestHttp;
    this.path = /^https?:/i.test(config.endpoint)
      ? new URL(config.endpoint).pathname
      : this.protocol.path;
    this.faults = new HttpFaults(this.target, secure, config.proxy);
    this.agent = this.route.createAgent();
    this.headers = {
      'user-agent': `haproxy-otel-spoa/${VERSION}`,
      ...this.route.headers,
      ...config.headers,
      'content-type': 'application/x-protobuf',
      ...(config.compression === 'gzip' ? { 'content-encoding': 'gzip' } : {}),
    };
  }

  async send(request: Buffer): Promise<SendResult> {
    this.inFlight += 1;
    try {
      return await this.sendOnce(request);
    } finally {
      this.inFlight -= 1;
      if (this.state === 'closing' && this.inFlight === 0) this.agent.destroy();
    }
  }

  close(): void {
    this.state = 'closing';
    if (this.inFlight === 0) this.agent.destroy();
  }

  private async sendOnce(request: Buffer): Promise<SendResult> {
    const body = this.config.compression === 'gzip' ? await compress(request) : request;
    const { agent } = this;
    let attempt = await this.attempt(body, agent);
    // At most as often as there are idle connections: a new one is never stale.
    while (attempt.kind === 'failed' && attempt.stale) attempt = await this.attempt(body, agent);
    if (attempt.kind === 'answered') {
      return resultOf(attempt.response, this.protocol, this.target, this.path);
    }
    this.leave(agent);
    return {
      kind: 'retryable',
      reason: await this.faults.explain(attempt.error),
      delay: undefined,
    };
  }

  /** All idle connections may be dead: the next request makes a new one. */
  private leave(agent: Agent): void {
    if (agent !== this.agent || this.state === 'closing') return;
    this.agent = this.route.createAgent();
    // Requests in flight may still be answered; their connections are not reused.
    agent.maxFreeSockets = 0;
    for (const sockets of Object.values(agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  private attempt(body: Buffer, agent: Agent): Promise<Attempt> {
    return new Promise((resolve) => {
      const request = this.request({
        ...this.route.options,
        method: 'POST',
        headers: { ...this.headers, 'content-length': body.length },
        agent,
      });
      let answered = false;
      const fail = (reason: string): void => {
        request.destroy(new Error(reason));
      };
      const limit = setTimeout(
        () => fail(`no answer within ${this.config.timeout} ms`),
        this.config.timeout,
      );
      const connecting = setTimeout(
        () => fail(`no connection within ${CONNECT_LIMIT} ms`),
        CONNECT_LIMIT,
      );
      const end = (attempt: Attempt): void => {
        clearTimeout(limit);
        clearTimeout(connecting);
        resolve(attempt);
      };
      request.once('socket', (socket) => {
        const connected = (): void => clearTimeout(connecting);
        if (socket.connecting) {
          socket.once(this.request === requestHttps ? 'secureConnect' : 'connect', connected);
        } else {
          connected();
        }
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        const stale =
          !answered && request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(error.code ?? '');
        end({ kind: 'failed', error, stale });
      });
      request.once('response', (response) => {
        answered = true;
        clearTimeout(connecting);
        readAll(response).then(
          (content) => {
            // Who answers early reads no further: what is not sent yet must not be sent any more.
            if (!request.writableFinished) request.destroy();
            const { statusCode: status = 0, headers } = response;
            end({ kind: 'answered', response: { status, headers, body: content } });
          },
          (error: NodeJS.ErrnoException) => {
            request.destroy();
            end({ kind: 'failed', error, stale: false });
          },
        );
      });
      request.end(body);
    });
  }
}

/** @throws Error when it ends before its time, or is larger than any answer */
async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_RESPONSE) throw new Error(`an answer of more than ${MAX_RESPONSE} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
