import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ProxyConfig } from '../config.ts';

/** Node's channel for requests that are about to be sent. */
const REQUEST_START = 'http.client.request.start';

/**
 * Watches the CONNECT requests that gRPC sends to a proxy: gRPC has no timeout for them, drops the reason of a
 * failure, and leaves connections open whose CONNECT was refused.
 */
export class ProxyTunnel {
  /** How the last CONNECT failed; undefined where it did not. */
  private failure: string | undefined;
  private readonly proxy: ProxyConfig;
  private readonly target: string;
  private readonly limit: number;

  /**
   * @param target host and port behind the proxy, as in the CONNECT request
   * @param limit milliseconds for an answer
   */
  constructor(proxy: ProxyConfig, target: string, limit: number) {
    this.proxy = proxy;
    this.target = target;
    this.limit = limit;
    subscribe(REQUEST_START, this.onRequest);
  }

  /** For the reason of a call that failed on its way to the receiver. */
  describe(): string {
    const { address, variable } = this.proxy;
    const failure = this.failure === undefined ? '' : `: ${this.failure}`;
    return `through the proxy ${address}, set by ${variable}${failure}; no_proxy can name the receiver`;
  }

  close(): void {
    unsubscribe(REQUEST_START, this.onRequest);
  }

  private readonly onRequest = (message: unknown): void => {
    const { request } = message as { request: ClientRequest };
    if (request.method !== 'CONNECT' || request.path !== this.target) return;
    request.setTimeout(this.limit, () => {
      request.destroy(new Error(`no answer to CONNECT within ${this.limit} ms`));
    });
    // gRPC's own listener removes all others.
    request.prependOnceListener('error', (error) => {
      this.failure = error.message;
    });
    request.prependOnceListener('connect', ({ statusCode }: IncomingMessage, socket: Socket) => {
      request.setTimeout(0);
      this.failure = statusCode === 200 ? undefined : `it answered CONNECT with ${statusCode}`;
      if (statusCode !== 200) socket.destroy();
    });
  };
}
