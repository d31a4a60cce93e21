import { Histogram } from '../admin/histogram.ts';
import type { ExporterConfig } from './config.ts';
import type { Batch, SendResult } from './otlp.ts';
import type { QueueEvent } from './queue.ts';

/** Seconds. */
const LATENCY_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Shorter values are no secrets, and would be found everywhere. */
const LEAST_SECRET = 4;

/** What is known of the receiver: whether it takes spans, since when it does not and why, how fast it is. */
export class ExportWatch {
  readonly kind: ExporterConfig['kind'];
  /** Host and port of the receiver, or its socket. */
  target: string | undefined;
  /** Of one attempt, in seconds. */
  readonly latency = new Histogram(LATENCY_BOUNDS);
  state: 'working' | 'failing' = 'working';
  /** Milliseconds since the epoch; undefined while it works. */
  failingSince: number | undefined;
  /** What the receiver said last when it failed or refused, secrets taken out. */
  reason: string | undefined;
  /** Milliseconds since the epoch. */
  lastSuccess: number | undefined;
  private secrets: readonly string[] = [];

  constructor(config: ExporterConfig) {
    this.kind = config.kind;
    this.use(config);
  }

  /** Another receiver, or other secrets; what was secret before stays so. */
  use(config: ExporterConfig): void {
    if (config.kind !== 'otlp') return;
    this.target = withoutUser(config.endpoint);
    this.secrets = [...new Set([...this.secrets, ...secretsIn(config.headers)])];
  }

  /** The same sender, timed. */
  timed(send: (batch: Batch) => Promise<SendResult>): (batch: Batch) => Promise<SendResult> {
    return async (batch) => {
      const started = performance.now();
      const result = await send(batch);
      this.latency.observe((performance.now() - started) / 1000);
      if (result.kind === 'sent') this.lastSuccess = Date.now();
      return result;
    };
  }

  /** @returns the event as it may be told, secrets taken out */
  take(event: QueueEvent): QueueEvent {
    if (event.kind === 'failing') {
      this.state = 'failing';
      this.failingSince = Date.now();
    }
    if (event.kind === 'recovered') {
      this.state = 'working';
      this.failingSince = undefined;
      this.reason = undefined;
    }
    if (!('reason' in event)) return event;
    this.reason = this.redact(event.reason);
    return { ...event, reason: this.reason };
  }

  private redact(text: string): string {
    return this.secrets.reduce((clean, secret) => clean.replaceAll(secret, 'REDACTED'), text);
  }
}

/** Whole values, and their parts, as the token behind `Bearer`. */
function secretsIn(headers: Readonly<Record<string, string>>): string[] {
  return Object.values(headers)
    .flatMap((value) => [value, ...value.split(/\s+/)])
    .filter((value) => value.length >= LEAST_SECRET);
}

function withoutUser(endpoint: string): string {
  return endpoint.replace(/^(?:https?:\/\/)?(?:[^/@]*@)?/i, '').replace(/[/?#].*$/, '') || endpoint;
}
