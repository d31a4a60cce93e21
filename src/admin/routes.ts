import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseFilter, wholeTrace } from './filter.ts';
import type { Guard, Refusal } from './guard.ts';
import { type Health, liveness, readiness } from './health.ts';
import type { History } from './history.ts';
import type { LiveStream } from './live-stream.ts';
import { viewHops, viewState, viewTraffic } from './live-view.ts';
import { renderMetrics } from './metrics.ts';
import { type PageFile, readPageFiles } from './page-files.ts';
import type { AdminSources } from './sources.ts';

/** Headers of every response. The page connects to nothing else, is in no frame, and writes no markup. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

type AdminResponse = {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string | string[]>>;
};

const NOT_FOUND: Refusal = { status: 404, reason: 'there is nothing here' };
const TOO_MANY: Refusal = { status: 503, reason: 'too many pages are open' };
const QUEUED: Refusal = { status: 503, reason: 'the feed wants a connection of its own' };
const BAD_FILTER: Refusal = {
  status: 400,
  reason: 'frontend, backend, server, status and trace are accepted, each once',
};

/** The handler of each path. */
export class Routes {
  private readonly guard: Guard;
  private readonly traceUrl: string | undefined;
  private readonly sources: AdminSources;
  private readonly history: History;
  private readonly stream: LiveStream;
  private readonly files: ReadonlyMap<string, PageFile> = readPageFiles();

  constructor(
    guard: Guard,
    traceUrl: string | undefined,
    sources: AdminSources,
    history: History,
    stream: LiveStream,
  ) {
    this.guard = guard;
    this.traceUrl = traceUrl;
    this.sources = sources;
    this.history = history;
    this.stream = stream;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s, 2);
    const refusal = this.guard.check(request, path === '/');
    const answer =
      refusal === undefined
        ? await this.route(request, response, path, new URLSearchParams(query))
        : refuse(refusal);
    if (answer === 'streams') return;
    const { status, contentType, body, headers } = answer;
    const length = Buffer.byteLength(body);
    response.writeHead(status, {
      'content-type': contentType,
      'content-length': length,
      ...headers,
    });
    response.end(body);
  }

  private async route(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    parameters: URLSearchParams,
  ): Promise<AdminResponse | 'streams'> {
    const file = this.files.get(path);
    if (file !== undefined) return { status: 200, ...file };
    const now = Date.now();
    switch (path) {
      case '/healthz':
        return healthAnswer(liveness(this.sources, now));
      case '/readyz':
        return healthAnswer(readiness(this.sources, now));
      case '/metrics': {
        const accept = request.headers.accept ?? '';
        return { status: 200, ...(await renderMetrics(this.sources, accept)) };
      }
      case '/api/live':
        return this.live(parameters, now);
      case '/api/events':
        return this.events(request, response, parameters);
      default:
        return refuse(NOT_FOUND);
    }
  }

  /** All that the page shows, once. A filter by one trace also watches it: its hops are stored when they come. */
  private live(parameters: URLSearchParams, now: number): AdminResponse {
    const filter = parseFilter(parameters);
    if (filter === undefined) return refuse(BAD_FILTER);
    const { observer } = this.sources;
    const traceId = wholeTrace(filter);
    if (traceId !== undefined) observer.recent.watch(traceId, now);
    const view = {
      state: viewState(this.sources, this.history, this.traceUrl, now),
      traffic: viewTraffic(observer, this.history, now),
      hops: viewHops(observer, filter, now),
    };
    return { status: 200, contentType: JSON_TYPE, body: JSON.stringify(view) };
  }

  /** The same as a stream of events. */
  private events(
    request: IncomingMessage,
    response: ServerResponse,
    parameters: URLSearchParams,
  ): AdminResponse | 'streams' {
    const filter = parseFilter(parameters);
    if (filter === undefined) return refuse(BAD_FILTER);
    // Pipelined behind another answer: Node would never report that the reader left.
    if (response.socket === null) return refuse(QUEUED);
    if (this.stream.isFull) return refuse(TOO_MANY);
    if (request.method === 'HEAD') {
      return { status: 200, contentType: 'text/event-stream; charset=utf-8', body: '' };
    }
    this.stream.add(response, parameters, filter);
    return 'streams';
  }
}

function healthAnswer({ ok, ...rest }: Health): AdminResponse {
  const body = `${JSON.stringify({ status: ok ? 'ok' : 'unavailable', ...rest })}\n`;
  return { status: ok ? 200 : 503, contentType: JSON_TYPE, body };
}

/** The rest of such a request is not read. */
function refuse({ status, reason, headers }: Refusal): AdminResponse {
  return {
    status,
    contentType: TEXT_TYPE,
    body: `${reason}\n`,
    headers: { connection: 'close', ...headers },
  };
}
