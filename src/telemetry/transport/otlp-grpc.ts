import {
  ChannelCredentials,
  type ChannelOptions,
  compressionAlgorithms,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { portOf } from '../../endpoint.ts';
import { VERSION } from '../../version.ts';
import type { OtlpConfig, Signal } from '../config.ts';
import { CONNECT_LIMIT, GrpcConnection } from './grpc-connection.ts';
import { classifyFailure, isAnswered, isFromReceiver } from './grpc-status.ts';
import type { OtlpClient, SendResult } from './otlp.ts';
import { ProxyTunnel } from './proxy-tunnel.ts';
import { ReceiverFaults } from './receiver-fault.ts';
import { SIGNALS, type SignalProtocol } from './signal.ts';
import { readTlsFiles } from './tls-files.ts';

/**
 * gRPC's own limit for the wait between two attempts to connect is two minutes, and calls fail at once
 * meanwhile. A receiver that is back should not have to wait that long. Milliseconds.
 */
const MAX_RECONNECT_BACKOFF = 5_000;

/** A name is resolved again no sooner, in milliseconds: gRPC's 30 s would hold up a receiver that moved. */
const MIN_RESOLUTION_INTERVAL = 5_000;

/**
 * Milliseconds between two pings, sent only while a call waits, and for the answer to one. A peer that is gone
 * silently is detected within their sum. A gRPC server that is left at its defaults ends a connection at the fourth ping
 * within 5 minutes without a response of its own in between: no call lasts for more than three.
 */
const KEEPALIVE_TIME = 15_000;
const KEEPALIVE_TIMEOUT = 10_000;
const MAX_PINGS = 3;

/** Calls in a row without an answer after which the connection is replaced, and again after each further one. */
const MAX_UNANSWERED = 2;

/** Ports where the endpoint names none: OTLP's for plain connections, that of HTTPS otherwise. */
const DEFAULT_PORT = { plain: 4317, tls: 443 } as const;

/**
 * OTLP over gRPC is one unary call. It is made with gRPC itself, not with the SDK's exporter: bytes that
 * were encoded once may be sent several times, and a dead connection has to be replaced.
 */
export class GrpcClient implements OtlpClient {
  private readonly protocol: SignalProtocol;
  private readonly metadata = new Metadata();
  private readonly timeout: number;
  private readonly open: () => GrpcConnection;
  private connection: GrpcConnection;
  private unanswered = 0;
  private state: 'open' | 'closed' = 'open';
  private readonly faults: ReceiverFaults;
  private readonly proxy: ProxyTunnel | undefined;

  /** @throws the system's error when a certificate or key cannot be read, OpenSSL's when it cannot be used */
  constructor(signal: Signal, config: OtlpConfig) {
    this.protocol = SIGNALS[signal];
    const { address, plain } = parseEndpoint(config);
    const { proxy } = config;
    this.timeout = config.timeout;
    const credentials = createCredentials(config, plain);
    const options: ChannelOptions = {
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_BACKOFF,
      'grpc.dns_min_time_between_resolutions_ms': MIN_RESOLUTION_INTERVAL,
      'grpc.keepalive_time_ms': Math.max(KEEPALIVE_TIME, Math.ceil(config.timeout / MAX_PINGS)),
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT,
      'grpc.primary_user_agent': `haproxy-otel-spoa/${VERSION}`,
      'grpc.default_compression_algorithm':
        config.compression === 'gzip' ? compressionAlgorithms.gzip : compressionAlgorithms.identity,
      'grpc.enable_channelz': 0,
      // The proxy is chosen in the configuration: gRPC would use it for loopback too.
      'grpc.enable_http_proxy': 0,
      ...(proxy && {
        'grpc.http_connect_target': `dns:${address}`,
        'grpc.default_authority': address,
      }),
      ...(proxy?.credentials && { 'grpc.http_connect_creds': proxy.credentials }),
    };
    this.open = () => {
      const connection = new GrpcConnection(proxy?.address ?? address, credentials, options);
      connection.onStuck = () => this.replace(connection);
      return connection;
    };
    this.connection = this.open();
    this.proxy = proxy && new ProxyTunnel(proxy, address, CONNECT_LIMIT);
    this.faults = new ReceiverFaults({
      target: address,
      plain,
      probed: proxy === undefined && !address.startsWith('unix:'),
      otherScheme: otherScheme(config, plain),
    });
    for (const [name, value] of Object.entries(config.headers)) this.metadata.set(name, value);
  }

  async send(request: Buffer): Promise<SendResult> {
    const { connection } = this;
    const result = await connection.call(
      this.protocol.method,
      request,
      this.metadata,
      this.timeout,
    );
    if (isAnswered(result)) this.unanswered = 0;
    else this.countUnanswered(connection);
    const { error, headers, response } = result;
    if (error === undefined) return this.readResponse(response ?? Buffer.alloc(0));
    return { ...classifyFailure(error, headers), reason: await this.reason(error, headers) };
  }

  /** Closes the connection when the calls that are on their way have been answered. */
  close(): void {
    this.state = 'closed';
    this.connection.drain();
    this.proxy?.close();
  }

  private readResponse(response: Buffer): SendResult {
    try {
      return { kind: 'sent', ...this.protocol.readResponse(response) };
    } catch (error) {
      return { kind: 'refused', reason: `an answer that cannot be read: ${error}` };
    }
  }

  /** Calls that were on their way together fail together: the first may be on a connection that was left meanwhile. */
  private countUnanswered(connection: GrpcConnection): void {
    this.unanswered += 1;
    if (this.unanswered >= MAX_UNANSWERED) this.replace(connection);
  }

  private replace(connection: GrpcConnection): void {
    if (connection !== this.connection || this.state === 'closed') return;
    this.connection = this.open();
    connection.close();
  }

  /** gRPC's message, and what it means for the settings where that is known. */
  private async reason(error: ServiceError, headers: Metadata | undefined): Promise<string> {
    const message = error.message.replace(/\s*(Resolution note:)?\s*$/, '');
    const explained = await this.faults.explain(error, headers);
    const proxy = isFromReceiver(error, headers) ? undefined : this.proxy?.describe();
    const known = [proxy, explained].filter((text) => text !== undefined);
    return known.length === 0 ? message : `${known.join('; ')} (${message})`;
  }
}

/** The setting that chose between plain and TLS, with its other value. */
function otherScheme({ endpoint, insecure }: OtlpConfig, plain: boolean): string {
  return /^https?:/i.test(endpoint)
    ? `OTEL_EXPORTER_OTLP_ENDPOINT has to begin with ${plain ? 'https://' : 'http://'}`
    : `OTEL_EXPORTER_OTLP_INSECURE has to be ${!insecure}`;
}

function parseEndpoint({ endpoint, insecure }: OtlpConfig): { address: string; plain: boolean } {
  if (endpoint.startsWith('unix:')) return { address: endpoint, plain: true };
  const scheme = /^[a-z]+:\/\//i.test(endpoint) ? '' : insecure ? 'http://' : 'https://';
  const { protocol, hostname } = new URL(scheme + endpoint);
  const plain = protocol === 'http:';
  // URL drops a port that is the scheme's own.
  const port = portOf(endpoint) ?? (plain ? DEFAULT_PORT.plain : DEFAULT_PORT.tls);
  return { address: `${hostname}:${port}`, plain };
}

function createCredentials(config: OtlpConfig, plain: boolean): ChannelCredentials {
  if (plain) return ChannelCredentials.createInsecure();
  const { ca, key, cert } = readTlsFiles(config);
  return ChannelCredentials.createSsl(ca ?? null, key ?? null, cert ?? null);
}
