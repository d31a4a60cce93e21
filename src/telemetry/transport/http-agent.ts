import { Agent, type ClientRequestArgs, type RequestOptions, request } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { hostAndPort, unixPathOf, withoutBrackets } from '../../endpoint.ts';
import type { OtlpConfig, ProxyConfig } from '../config.ts';
import { readTlsFiles } from './tls-files.ts';

/** Connections are reused, at most as many as there can be batches in flight. */
const KEEP_ALIVE = { keepAlive: true, maxFreeSockets: 8 } as const;

/** How requests reach the receiver: straight, or through a proxy. */
export type HttpRoute = {
  readonly options: RequestOptions;
  /** Of the request, beside those that every request has. */
  readonly headers: Readonly<Record<string, string>>;
  /** An agent with no connections yet. */
  readonly createAgent: () => Agent;
};

/**
 * @param path of requests to a unix socket
 * @param connectLimit milliseconds for a proxy to answer to CONNECT
 * @throws the system's error when a certificate or key cannot be read, OpenSSL's when it cannot be used
 */
export function routeTo(config: OtlpConfig, path: string, connectLimit: number): HttpRoute {
  const socketPath = unixPathOf(config.endpoint);
  if (socketPath !== undefined) {
    return {
      options: { socketPath, path },
      headers: { host: 'localhost' },
      createAgent: () => new Agent(KEEP_ALIVE),
    };
  }
  const url = new URL(config.endpoint);
  const { proxy } = config;
  const headers = { host: url.host, ...authorization('authorization', credentialsOf(url)) };
  if (url.protocol === 'https:') {
    const { ca, cert, key } = readTlsFiles(config);
    const host = hostOf(url);
    const secure = {
      host,
      // The name in the certificate is the receiver's, whatever header the user sets.
      servername: isIP(host) === 0 ? host : '',
      secureContext: createSecureContext({ ca, cert, key }),
    };
    return {
      options: { host, port: url.port || 443, path: url.pathname + url.search },
      headers,
      createAgent: () =>
        proxy === undefined
          ? new HttpsAgent({ ...KEEP_ALIVE, ...secure })
          : new TunnelAgent(proxy, secure, connectLimit),
    };
  }
  const createAgent = (): Agent => new Agent(KEEP_ALIVE);
  if (proxy === undefined) {
    return {
      options: { host: hostOf(url), port: url.port || 80, path: url.pathname + url.search },
      headers,
      createAgent,
    };
  }
  return {
    options: { ...addressOf(proxy), path: `${url.origin}${url.pathname}${url.search}` },
    headers: { ...headers, ...authorization('proxy-authorization', proxy.credentials) },
    createAgent,
  };
}

type Secure = {
  readonly host: string;
  readonly servername: string;
  readonly secureContext: SecureContext;
};

/** Connects through a proxy's CONNECT. */
class TunnelAgent extends HttpsAgent {
  private readonly proxy: ProxyConfig;
  private readonly secure: Secure;
  private readonly limit: number;

  constructor(proxy: ProxyConfig, secure: Secure, limit: number) {
    super({ ...KEEP_ALIVE, ...secure });
    this.proxy = proxy;
    this.secure = secure;
    this.limit = limit;
  }

  override createConnection(
    { port }: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const { host } = this.secure;
    const target = hostAndPort(host, Number(port));
    // The callback is called with an error in place of a stream.
    const fail = callback as (error: Error) => void;
    const connecting = request({
      ...addressOf(this.proxy),
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...authorization('proxy-authorization', this.proxy.credentials) },
      agent: false,
      timeout: this.limit,
    });
    connecting.once('timeout', () => {
      connecting.destroy(new Error(`no answer to CONNECT within ${this.limit} ms`));
    });
    connecting.once('error', fail);
    connecting.once('connect', ({ statusCode }, socket: Socket) => {
      socket.setTimeout(0);
      if (statusCode === 200) {
        callback(null, connectTls({ ...this.secure, socket }));
        return;
      }
      socket.destroy();
      fail(new Error(`it answered CONNECT with ${statusCode}`));
    });
    // A response that is no tunnel: a proxy that does not know CONNECT.
    connecting.once('response', ({ statusCode }) => {
      connecting.destroy();
      fail(new Error(`it answered CONNECT with ${statusCode}`));
    });
    connecting.end();
    return undefined;
  }
}

function credentialsOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
}

function authorization(name: string, credentials: string | undefined): Record<string, string> {
  if (credentials === undefined) return {};
  const pair = credentials.includes(':') ? credentials : `${credentials}:`;
  return { [name]: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function addressOf({ address }: ProxyConfig): { readonly host: string; readonly port: number } {
  const url = new URL(`http://${address}`);
  return { host: hostOf(url), port: Number(url.port || 80) };
}

const hostOf = (url: URL): string => withoutBrackets(url.hostname);
