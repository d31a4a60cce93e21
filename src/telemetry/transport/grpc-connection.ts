import type { Socket } from 'node:net';
import {
  ChannelCredentials,
  type ChannelOptions,
  Client,
  connectivityState,
  type experimental,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';

/** How a call ended. */
export type CallResult = {
  readonly error: ServiceError | undefined;
  readonly response: Buffer | undefined;
  /** What the response began with; undefined where it never began, or ended at once. */
  readonly headers: Metadata | undefined;
};

/** What a connection may take to be made, HTTP/2 included, in milliseconds. */
export const CONNECT_LIMIT = 10_000;

/**
 * A gRPC client with connections of its own, which end with it: gRPC leaves one open that never got to HTTP/2, and one
 * whose peer is gone.
 */
export class GrpcConnection {
  /** Called when a connection could not be made within the limit and gRPC still waits for it. */
  onStuck = (): void => {};
  private readonly client: Client;
  private readonly credentials: TrackedCredentials;
  private calls = 0;
  private connecting: NodeJS.Timeout | undefined;
  private state: 'open' | 'draining' | 'closed' = 'open';

  constructor(address: string, credentials: ChannelCredentials, options: ChannelOptions) {
    this.credentials = new TrackedCredentials(credentials);
    this.client = new Client(address, this.credentials, {
      ...options,
      // A subchannel that is stuck must not be found by the next client.
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** One unary call; `timeout` in milliseconds. */
  call(method: string, bytes: Buffer, metadata: Metadata, timeout: number): Promise<CallResult> {
    this.calls += 1;
    this.watchConnecting();
    return new Promise((resolve) => {
      let headers: Metadata | undefined;
      this.client
        .makeUnaryRequest<Buffer, Buffer>(
          method,
          (request) => request,
          (response) => response,
          bytes,
          metadata,
          { deadline: Date.now() + timeout },
          (error, response) => {
            this.calls -= 1;
            if (this.calls === 0) this.idle();
            resolve({ error: error ?? undefined, response, headers });
          },
        )
        .on('metadata', (received) => {
          headers = received;
        });
    });
  }

  /** Closes when the calls that are on their way have been answered. */
  drain(): void {
    if (this.state === 'open') this.state = 'draining';
    if (this.calls === 0) this.idle();
  }

  /** Fails calls that did not begin; closes when those that did have been answered. */
  close(): void {
    this.state = 'draining';
    this.client.close();
    if (this.calls === 0) this.idle();
  }

  private idle(): void {
    clearTimeout(this.connecting);
    this.connecting = undefined;
    if (this.state !== 'draining') return;
    this.state = 'closed';
    this.client.close();
    this.credentials.destroySockets();
  }

  private watchConnecting(): void {
    const channel = this.client.getChannel();
    if (channel.getConnectivityState(false) === connectivityState.READY) return;
    this.connecting ??= setTimeout(() => {
      this.connecting = undefined;
      const isConnecting = channel.getConnectivityState(false) === connectivityState.CONNECTING;
      if (this.state === 'open' && isConnecting) this.onStuck();
    }, CONNECT_LIMIT);
  }
}

/** Others' credentials, and the sockets that were connected with them. */
class TrackedCredentials extends ChannelCredentials {
  private readonly inner: ChannelCredentials;
  private readonly sockets = new Set<Socket>();

  constructor(inner: ChannelCredentials) {
    super();
    this.inner = inner;
  }

  override _isSecure(): boolean {
    return this.inner._isSecure();
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    ...args: Parameters<ChannelCredentials['_createSecureConnector']>
  ): experimental.SecureConnector {
    const connector = this.inner._createSecureConnector(...args);
    return {
      connect: (socket) => {
        this.sockets.add(socket);
        socket.once('close', () => this.sockets.delete(socket));
        return connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }

  destroySockets(): void {
    for (const socket of this.sockets) socket.destroy();
  }
}
