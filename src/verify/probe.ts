import { randomBytes } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export type ProbeOptions = {
  readonly url: URL;
  /** In place of the URL's own name. */
  readonly host: string | undefined;
  /** Accepts any certificate. */
  readonly insecure: boolean;
  /** Milliseconds. */
  readonly timeout: number;
  readonly userAgent: string;
};

/** The context that one request was sent with, and what came of it. */
export type Probe = {
  readonly traceId: string;
  readonly spanId: string;
  readonly status: number;
  /** Milliseconds until the response was complete. */
  readonly duration: number;
  /** HAProxy's own span, as it reports it. */
  readonly reported: TraceContext | undefined;
  /** The context that the server received, if it echoes it. */
  readonly upstream: TraceContext | undefined;
};

export type TraceContext = {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
};

/** Bytes of the response that are searched for echoed headers, at most. */
const MAX_BYTES = 1_048_576;

const CONTEXT = /\b00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\b/;

/**
 * Sends one GET with a sampled trace.
 *
 * @param traceId one that nobody else has
 * @throws Error where there is no response
 */
export function probe(
  { url, host, insecure, timeout, userAgent }: ProbeOptions,
  traceId: string,
): Promise<Probe> {
  const spanId = randomBytes(8).toString('hex');
  const headers = {
    traceparent: `00-${traceId}-${spanId}-01`,
    'user-agent': userAgent,
    ...(host === undefined ? {} : { host }),
  };
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const tls = insecure ? { rejectUnauthorized: false } : {};
  const name = host === undefined ? {} : { servername: host.replace(/:\d+$/, '') };
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = send(url, { headers, timeout, agent: false, ...tls, ...name }, (incoming) => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (text: string) => {
        if (body.length < MAX_BYTES) body += text;
      });
      incoming.once('error', reject);
      incoming.once('end', () => {
        const { 'server-timing': timing, traceresponse } = incoming.headers;
        resolve({
          traceId,
          spanId,
          status: incoming.statusCode ?? 0,
          duration: performance.now() - started,
          reported: findContext(String(traceresponse)) ?? findContext(serverTimingTrace(timing)),
          upstream: findContext(headerIn(body)),
        });
      });
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no response in ${timeout} ms`)));
    outgoing.once('error', reject);
    outgoing.end();
  });
}

/** The last one is that of the nearest HAProxy. */
function serverTimingTrace(serverTiming: string | string[] | undefined): string {
  return (
    String(serverTiming ?? '')
      .split(',')
      .findLast((part) => /\btrace;desc=/.test(part)) ?? ''
  );
}

/** In whatever form a server echoes its headers. */
function headerIn(body: string): string {
  return /traceparent\W{1,8}\S{55}/i.exec(body)?.[0] ?? '';
}

function findContext(text: string): TraceContext | undefined {
  const [, traceId, spanId, flags] = CONTEXT.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags ?? '', 16) & 1) === 1 };
}
