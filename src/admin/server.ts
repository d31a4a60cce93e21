import { createServer, type Server } from 'node:http';
import { type Listening, listenFor } from '../listen.ts';
import { type InheritedSocket, isLoopback } from '../listen-address.ts';
import type { AdminConfig } from './config.ts';
import { Guard } from './guard.ts';
import { History } from './history.ts';
import { LiveStream } from './live-stream.ts';
import { Routes } from './routes.ts';
import type { AdminSources } from './sources.ts';

/** Connections at a time: a page has one or two. */
const MAX_CONNECTIONS = 128;

const MAX_HEADER_BYTES = 8_192;

/** Milliseconds for a request to come, and for a connection to be idle. */
const REQUEST_TIMEOUT = 10_000;

/** What Node's HTTP server sets for its own sockets. */
const HTTP_OPTIONS = { allowHalfOpen: true, noDelay: true };

/** Health, metrics, the page and its feed, over HTTP. */
export class AdminServer {
  /** Where it listens, the port as really bound. */
  readonly address: string;
  private readonly server: Server;
  private readonly listening: Listening;
  private readonly stream: LiveStream;

  private constructor(server: Server, listening: Listening, stream: LiveStream) {
    this.server = server;
    this.listening = listening;
    this.stream = stream;
    this.address = listening.address;
  }

  /**
   * @param onFault called with each error of what is shown; nothing else is affected
   * @throws Error when it cannot listen, or everybody could ask without a token
   */
  static async start(
    config: AdminConfig,
    sources: AdminSources,
    onFault: (error: unknown) => void,
  ): Promise<AdminServer> {
    const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES });
    server.maxConnections = MAX_CONNECTIONS;
    server.requestTimeout = REQUEST_TIMEOUT;
    server.headersTimeout = REQUEST_TIMEOUT;
    server.keepAliveTimeout = REQUEST_TIMEOUT;
    const listening = await listenFor('HAPROXY_OTEL_ADMIN', server, config.address, HTTP_OPTIONS);
    // The address of an inherited socket, or that a name resolved to, is known only now.
    const bound = server.address();
    const hosts = bound === null || typeof bound === 'string' ? [] : [bound.address];
    const local = [...hosts, ...listening.hosts].every(isLoopback);
    if (!local && config.token === undefined) {
      await listening.close();
      throw new Error(
        'the admin listener can be reached from elsewhere: HAPROXY_OTEL_ADMIN_TOKEN_FILE is needed',
      );
    }
    const history = new History(sources);
    const stream = new LiveStream(sources, history, config.traceUrl, onFault);
    const guard = new Guard(config, local);
    const routes = new Routes(guard, config.traceUrl, sources, history, stream);
    server.on('request', (request, response) => {
      routes.answer(request, response).catch(() => response.destroy());
    });
    return new AdminServer(server, listening, stream);
  }

  sockets(): InheritedSocket[] {
    return this.listening.sockets();
  }

  /** Another process answers from now on: whoever is connected connects again. */
  release(): void {
    this.listening.release();
    this.server.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.stream.stop();
    await this.listening.close();
    this.server.closeAllConnections();
  }
}
