import {
  METRIC_HTTP_CLIENT_REQUEST_DURATION,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from '@opentelemetry/semantic-conventions';

export type Instrument = {
  readonly name: string;
  /** As UCUM has it: `s`, `By`, or what is counted in braces. */
  readonly unit: string;
  readonly description: string;
} & (
  | { readonly kind: 'counter' | 'updowncounter' }
  /** Upper bounds of its buckets, in its unit. */
  | { readonly kind: 'histogram'; readonly bounds: readonly number[] }
);

export type Histogram = Instrument & { readonly kind: 'histogram' };
export type Counter = Instrument & { readonly kind: 'counter' };

/** What the conventions advise for durations of requests. */
const REQUEST_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** HAProxy's timers are whole milliseconds: 0 is no wait at all. */
const PHASE_BOUNDS = [0, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Seconds that connections last: from a probe to a day. */
const CONNECTION_BOUNDS = [0.01, 0.1, 1, 10, 60, 300, 1_800, 3_600, 14_400, 86_400];

/** From the headers alone to a gigabyte. */
const SIZE_BOUNDS = Array.from({ length: 12 }, (_, i) => 256 * 4 ** i);

export const INSTRUMENTS = {
  serverDuration: {
    name: METRIC_HTTP_SERVER_REQUEST_DURATION,
    kind: 'histogram',
    unit: 's',
    description: 'Duration of HTTP server requests.',
    bounds: REQUEST_BOUNDS,
  },
  clientDuration: {
    name: METRIC_HTTP_CLIENT_REQUEST_DURATION,
    kind: 'histogram',
    unit: 's',
    description: 'Duration of HTTP client requests.',
    bounds: REQUEST_BOUNDS,
  },
  requestSize: {
    name: 'haproxy.request.size',
    kind: 'histogram',
    unit: 'By',
    description: 'Size of HTTP requests, request line and headers included.',
    bounds: SIZE_BOUNDS,
  },
  responseSize: {
    name: 'haproxy.response.size',
    kind: 'histogram',
    unit: 'By',
    description: 'Size of HTTP responses, status line and headers included.',
    bounds: SIZE_BOUNDS,
  },
  queue: {
    name: 'haproxy.phase.queue.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Time in the queue of a backend or server.',
    bounds: PHASE_BOUNDS,
  },
  connect: {
    name: 'haproxy.phase.connect.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Time to connect to the server.',
    bounds: PHASE_BOUNDS,
  },
  response: {
    name: 'haproxy.phase.response.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Time until the headers of the response had come from the server.',
    bounds: PHASE_BOUNDS,
  },
  retries: {
    name: 'haproxy.retries',
    kind: 'counter',
    unit: '{retry}',
    description: 'Connection attempts that were made again.',
  },
  redispatches: {
    name: 'haproxy.redispatches',
    kind: 'counter',
    unit: '{hop}',
    description: 'Hops whose last retry went to another server.',
  },
  hops: {
    name: 'haproxy.hops',
    kind: 'counter',
    unit: '{hop}',
    description: 'Hops that ended, by how they ended and whose fault that was.',
  },
  connectionDuration: {
    name: 'haproxy.connection.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Duration of connections of frontends in TCP mode.',
    bounds: CONNECTION_BOUNDS,
  },
  connectionIo: {
    name: 'haproxy.connection.io',
    kind: 'counter',
    unit: 'By',
    description: 'Bytes of connections of frontends in TCP mode.',
  },
} as const satisfies Readonly<Record<string, Instrument>>;
