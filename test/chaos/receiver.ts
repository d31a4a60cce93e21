import {
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { status } from '@grpc/grpc-js';
import { decodeSpans, type ReceivedSpan } from '../../src/demo/otlp-receiver.ts';

/** What the receiver does with a call. `refusing`: with a code of gRPC's. */
export type Mood =
  | { readonly kind: 'working' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'slow'; readonly delay: number }
  | { readonly kind: 'refusing'; readonly code: number; readonly retryInfo?: Buffer }
  | { readonly kind: 'partial' }
  /** What has more spans than a few hops is too large. */
  | { readonly kind: 'small' }
  | { readonly kind: 'page'; readonly status: number };

export type ReceiverSink = {
  readonly accept: (spans: readonly ReceivedSpan[]) => void;
  /** A call that is to come again. */
  readonly refuseForNow: () => void;
  /** Never to be sent again. */
  readonly refuse: (spans: readonly ReceivedSpan[]) => void;
};

/** Codes after which a batch is sent again, by OTLP's specification; after all others it is dropped. */
export const RETRYABLE: readonly number[] = [
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
];
export const FINAL: readonly number[] = [
  status.UNKNOWN,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAUTHENTICATED,
];

const MESSAGE_HEAD = 5;
/** Of a receiver that finds batches too large: some hops'. */
const MOST_SPANS = 8;
const GRPC = { ':status': 200, 'content-type': 'application/grpc' };

/** An OTLP/gRPC receiver that fails in every way, down to its connections. */
export class ChaosReceiver {
  mood: Mood = { kind: 'working' };
  /** Where it listens when it does so next. */
  address = '127.0.0.1';
  readonly port: number;
  private readonly sink: ReceiverSink;
  private readonly sessions = new Set<ServerHttp2Session>();
  private server: Http2Server | undefined;

  constructor(port: number, sink: ReceiverSink) {
    this.port = port;
    this.sink = sink;
  }

  async listen(): Promise<void> {
    const server = createServer();
    server.on('session', (session) => {
      this.sessions.add(session);
      session.on('error', () => {});
      session.once('close', () => this.sessions.delete(session));
    });
    server.on('stream', (stream) => this.serve(stream));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, this.address, resolve);
    });
    this.server = server;
  }

  /** Refuses connections from now on, and cuts those that are open. */
  async leave(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    this.cut();
    await closed;
  }

  cut(): void {
    for (const session of this.sessions) session.destroy();
  }

  /** GOAWAY: calls that are on their way are answered. */
  goAway(): void {
    for (const session of this.sessions) session.close();
  }

  private serve(stream: ServerHttp2Stream): void {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('end', () => {
      if (stream.destroyed) return;
      this.answer(stream, decodeSpans(Buffer.concat(chunks).subarray(MESSAGE_HEAD)));
    });
  }

  private answer(stream: ServerHttp2Stream, spans: readonly ReceivedSpan[]): void {
    const { mood } = this;
    switch (mood.kind) {
      case 'working':
        this.accept(stream, spans);
        return;
      case 'slow':
        setTimeout(() => this.accept(stream, spans), mood.delay);
        return;
      case 'silent':
        this.sink.refuseForNow();
        return;
      case 'partial':
        this.accept(stream, spans, traceOfFirst(spans));
        return;
      case 'small':
        if (spans.length <= MOST_SPANS) this.accept(stream, spans);
        else this.refuse(stream, spans, status.RESOURCE_EXHAUSTED, undefined);
        return;
      case 'refusing':
        this.refuse(stream, spans, mood.code, mood.retryInfo);
        return;
      case 'page':
        this.sink.refuseForNow();
        stream.respond({ ':status': mood.status, 'content-type': 'text/html' });
        stream.end('<html>');
        return;
      default:
        mood satisfies never;
    }
  }

  /** Accepts all but the spans of the trace `rejected`. */
  private accept(stream: ServerHttp2Stream, spans: readonly ReceivedSpan[], rejected = ''): void {
    // Nobody waits for the answer any more: the batch will come again.
    if (stream.destroyed || stream.closed) {
      this.sink.refuseForNow();
      return;
    }
    const refused = spans.filter(({ traceId }) => traceId === rejected);
    this.sink.accept(spans.filter(({ traceId }) => traceId !== rejected));
    this.sink.refuse(refused);
    // ExportTracePartialSuccess: rejected_spans = 1, in field 1 of the response.
    const body = refused.length === 0 ? [] : [0x0a, 2, 0x08, refused.length];
    stream.respond(GRPC, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, body.length, ...body]));
  }

  private refuse(
    stream: ServerHttp2Stream,
    spans: readonly ReceivedSpan[],
    code: number,
    retryInfo: Buffer | undefined,
  ): void {
    if (FINAL.includes(code)) this.sink.refuse(spans);
    else this.sink.refuseForNow();
    const details = retryInfo && { 'grpc-status-details-bin': retryInfo.toString('base64') };
    stream.respond(
      { ...GRPC, 'grpc-status': String(code), 'grpc-message': 'chaos', ...details },
      { endStream: true },
    );
  }
}

function traceOfFirst(spans: readonly ReceivedSpan[]): string {
  return spans[0]?.traceId ?? '';
}
