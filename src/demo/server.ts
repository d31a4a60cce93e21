import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  context,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

/**
 * The application behind HAProxy: it reads the trace context with OpenTelemetry's own propagator and
 * exports a SERVER span of its own, and answers with the headers it got as JSON.
 */
export class DemoServer {
  /** Requests that came so far. */
  requests = 0;
  private readonly server: Server;
  private readonly provider: BasicTracerProvider;

  private constructor(server: Server, provider: BasicTracerProvider) {
    this.server = server;
    this.provider = provider;
  }

  static async start(port: number, endpoint: string): Promise<DemoServer> {
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'demo-app' }),
      spanProcessors: [
        new BatchSpanProcessor(new OTLPTraceExporter({ url: endpoint }), {
          scheduledDelayMillis: 200,
          maxQueueSize: 65_536,
        }),
      ],
    });
    const tracer = provider.getTracer('demo-app');
    const propagator = new W3CTraceContextPropagator();
    const server = createServer((request, response) => {
      demo.requests += 1;
      const parent = propagator.extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter);
      const span = tracer.startSpan(
        `${request.method} ${request.url?.split('?', 1)[0]}`,
        { kind: SpanKind.SERVER },
        parent,
      );
      context.with(trace.setSpan(parent, span), () => answer(request, response, span));
    });
    const demo = new DemoServer(server, provider);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return demo;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await this.provider.shutdown();
  }
}

/** `/slow` never answers, `/missing` is a 404, `/error` a 500, everything else echoes the headers. */
function answer(request: IncomingMessage, response: ServerResponse, span: Span): void {
  const [path, query] = (request.url ?? '').split('?', 2);
  const delay = Number(new URLSearchParams(query).get('delay') ?? 0);
  const status = path === '/missing' ? 404 : path === '/error' ? 500 : 200;
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    span.setAttribute('http.response.status_code', response.headersSent ? status : 0);
    span.end();
  };
  response.once('close', end);
  if (path === '/slow') return;
  request.resume();
  setTimeout(() => {
    if (response.destroyed) return;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(request.headers));
    end();
  }, delay);
}
