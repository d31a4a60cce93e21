import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  ChannelCredentials,
  Client,
  compressionAlgorithms,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import protobuf from 'protobufjs';
import { portOf } from '../endpoint.ts';
import { VERSION } from '../version.ts';
import type { OtlpConfig } from './config.ts';

/** One encoded ExportTraceServiceRequest, and how many spans are in it. */
export type Batch = { readonly bytes: Buffer<ArrayBuffer>; readonly spans: number };

/** How one attempt to send a batch ended. */
export type SendResult =
  | { readonly kind: 'sent'; readonly rejected: number; readonly message: string }
  | {
      readonly kind: 'retryable';
      readonly reason: string;
      /** Milliseconds that the receiver asked to wait, if it did. */
      readonly delay: number | undefined;
    }
  | { readonly kind: 'refused'; readonly reason: string };

const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/**
 * gRPC's own limit for the wait between two attempts to connect is two minutes, and calls fail at once
 * meanwhile. A receiver that is back should not have to wait that long. Milliseconds.
 */
const MAX_RECONNECT_BACKOFF = 5_000;

/** Ports where the endpoint names none: OTLP's for plain connections, that of HTTPS otherwise. */
const DEFAULT_PORT = { plain: 4317, tls: 443 } as const;

/**
 * OTLP over gRPC is one unary call. It is made with gRPC itself, not with the SDK's exporter: bytes that
 * were encoded once may be sent several times, and the channel needs an option that the exporter lacks.
 */
export class OtlpSender {
  private readonly client: Client;
  private readonly metadata = new Metadata();
  private readonly timeout: number;
  private calls = 0;
  private state: 'open' | 'closing' = 'open';

  /** @throws the system's error when a certificate or key cannot be read, OpenSSL's when it cannot be used */
  constructor(config: OtlpConfig) {
    const { address, plain } = parseEndpoint(config);
    this.timeout = config.timeout;
    this.client = new Client(address, createCredentials(config, plain), {
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_BACKOFF,
      'grpc.primary_user_agent': `haproxy-otel-spoa/${VERSION}`,
      'grpc.default_compression_algorithm':
        config.compression === 'gzip' ? compressionAlgorithms.gzip : compressionAlgorithms.identity,
    });
    for (const [name, value] of Object.entries(config.headers)) this.metadata.set(name, value);
  }

  send(batch: Batch): Promise<SendResult> {
    this.calls += 1;
    return new Promise((resolve) => {
      this.client.makeUnaryRequest<Buffer, SendResult>(
        EXPORT,
        (bytes) => bytes,
        readResponse,
        batch.bytes,
        this.metadata,
        { deadline: Date.now() + this.timeout },
        (error, result) => {
          this.calls -= 1;
          if (this.state === 'closing') this.close();
          resolve(error === null ? (result ?? SENT) : classify(error));
        },
      );
    });
  }

  /** Closes the connection when the calls that are on their way have been answered. */
  close(): void {
    this.state = 'closing';
    if (this.calls === 0) this.client.close();
  }
}

const SENT: SendResult = { kind: 'sent', rejected: 0, message: '' };

function readResponse(bytes: Buffer): SendResult {
  const { partialSuccess } = ProtobufTraceSerializer.deserializeResponse(bytes);
  return {
    kind: 'sent',
    rejected: Number(partialSuccess?.rejectedSpans ?? 0),
    message: partialSuccess?.errorMessage ?? '',
  };
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
  const { clientKey } = config;
  return ChannelCredentials.createSsl(
    readCertificate(config.certificate),
    clientKey === undefined ? null : readFileSync(clientKey),
    readCertificate(config.clientCertificate),
  );
}

/** OpenSSL passes over what is no certificate, and then trusts nobody. */
function readCertificate(path: string | undefined): Buffer | null {
  if (path === undefined) return null;
  const pem = readFileSync(path);
  try {
    new X509Certificate(pem);
  } catch {
    throw new Error(`${path} is not a certificate in PEM format`);
  }
  return pem;
}

/** The codes that the OTLP specification (section "Failures" of OTLP/gRPC) calls retryable. */
const RETRYABLE: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

function classify({ code, message, metadata }: ServiceError): SendResult {
  const delay = retryDelay(metadata);
  const retryable =
    RETRYABLE.has(code) || (code === status.RESOURCE_EXHAUSTED && delay !== undefined);
  return retryable
    ? { kind: 'retryable', reason: message, delay }
    : { kind: 'refused', reason: message };
}

/** google.rpc.Status as far as it is needed: the RetryInfo among its details. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Status { repeated Any details = 3; }
  message Any { string type_url = 1; bytes value = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
`);
const Status = root.lookupType('Status');
const RetryInfo = root.lookupType('RetryInfo');

/** Milliseconds, or undefined when the receiver did not say. */
function retryDelay(metadata: Metadata | undefined): number | undefined {
  const details = metadata?.get('grpc-status-details-bin')[0];
  if (!Buffer.isBuffer(details)) return undefined;
  try {
    const status = Status.toObject(Status.decode(details), { bytes: Buffer, arrays: true });
    for (const { typeUrl, value } of status.details) {
      if (typeUrl !== 'type.googleapis.com/google.rpc.RetryInfo') continue;
      const info = RetryInfo.toObject(RetryInfo.decode(value), { longs: Number, defaults: true });
      const { seconds = 0, nanos = 0 } = info.retryDelay ?? {};
      return seconds * 1000 + nanos / 1e6;
    }
  } catch {
    // Details that cannot be read are no details.
  }
  return undefined;
}
