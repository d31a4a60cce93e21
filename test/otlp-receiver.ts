import { setTimeout as pause } from 'node:timers/promises';
import type { ServerCredentials, ServiceError } from '@grpc/grpc-js';
import { decodeSpans, OtlpServer, type ReceivedSpan } from '../src/demo/otlp-receiver.ts';

/** Decides the response to an export call: undefined accepts it, anything else is a gRPC error. */
export type ExportHandler = (spans: readonly ReceivedSpan[]) => Partial<ServiceError> | undefined;

export type ReceiverOptions = {
  readonly port?: number;
  /** A unix socket in place of a port. */
  readonly path?: string;
  readonly credentials?: ServerCredentials;
  /** Called with accepted spans; without it they are stored in `spans`. */
  readonly onSpans?: (spans: readonly ReceivedSpan[]) => void;
  readonly onExport?: ExportHandler;
  /** The largest request that is accepted, in bytes; gRPC's 4 MiB otherwise. */
  readonly maxRequest?: number;
  /** Milliseconds before an export is answered, or what to wait for. */
  readonly delay?: number | Promise<unknown>;
  /** Called with the undecoded request in place of all others: decoding costs too much under load. */
  readonly onRequest?: (request: Buffer) => void;
};

/** A receiver of spans. */
export class OtlpReceiver {
  /** What was accepted so far. */
  readonly spans: ReceivedSpan[] = [];
  /** The metadata of the last export call. */
  metadata: Readonly<Record<string, string>> = {};
  calls = 0;
  private server: OtlpServer | undefined;

  static async start(options: ReceiverOptions = {}): Promise<OtlpReceiver> {
    const { port = 0, path, credentials, maxRequest, onExport, delay = 0 } = options;
    const receiver = new OtlpReceiver();
    const onSpans = options.onSpans ?? ((spans) => receiver.spans.push(...spans));
    receiver.server = await OtlpServer.start(
      {
        traces: async (request, metadata) => {
          receiver.calls += 1;
          receiver.metadata = Object.fromEntries(
            Object.entries(metadata.getMap()).map(([name, value]) => [name, String(value)]),
          );
          if (options.onRequest !== undefined) return void options.onRequest(request);
          const spans = decodeSpans(request);
          const error = onExport?.(spans);
          if (error !== undefined) return error;
          onSpans(spans);
          await (typeof delay === 'number' ? pause(delay) : delay);
          return undefined;
        },
      },
      {
        address: path === undefined ? `127.0.0.1:${port}` : `unix:${path}`,
        ...(credentials && { credentials }),
        ...(maxRequest && { channel: { 'grpc.max_receive_message_length': maxRequest } }),
      },
    );
    return receiver;
  }

  get port(): number {
    return this.server?.port ?? 0;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends open calls and connections at once. */
  stop(): void {
    this.server?.stop();
  }
}
