import { targetOf } from '../../endpoint.ts';
import { Histogram } from '../../histogram.ts';
import type { ExporterConfig } from '../config.ts';
import type { Batch } from '../otlp/batch.ts';
import type { SendResult } from '../transport/otlp.ts';
import type { QueueEvent } from './queue-report.ts';

/** Seconds. */
const LATENCY_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Shorter values are no secrets, and would be found everywhere. */
const LEAST_SECRET = 4;

/** The state of one exporter: whether the receiver accepts what it is sent, since when it does not and why, and its latency. */
export class ExporterStatus {
  readonly kind: ExporterConfig['kind'];
  /** Host and port of the receiver, or its socket. */
  target: string | undefined;
  /** Of one attempt, in seconds. */
  readonly latency = new Histogram(LATENCY_BOUNDS);
  /** By the last attempt: accepted, refused in whole or in part, or to be retried. */
  state: 'working' | 'refusing' | 'failing' = 'working';
  /** Since when it is in this state, in milliseconds since the epoch; undefined while it works. */
  since: number | undefined;
  /** The receiver's last message when it failed or refused, secrets redacted; undefined while it works. */
  reason: string | undefined;
  /** Milliseconds since the epoch. */
  lastSuccess: number | undefined;
  private secrets: readonly string[] = [];

  constructor(config: ExporterConfig) {
    this.kind = config.kind;
    this.configure(config);
  }

  /** Sets the receiver and its secrets; earlier secrets are redacted too. */
  configure(config: ExporterConfig): void {
    if (config.kind !== 'otlp') return;
    this.target = targetOf(config.endpoint);
    this.secrets = [...new Set([...this.secrets, ...secretsIn(config.headers)])];
  }

  /** The same sender, timed. */
  timed(send: (batch: Batch) => Promise<SendResult>): (batch: Batch) => Promise<SendResult> {
    return async (batch) => {
      const started = performance.now();
      const result = await send(batch);
      this.latency.record((performance.now() - started) / 1000);
      this.record(result, batch);
      return result;
    };
  }

  /** The event without secrets, for the log. */
  redacted(event: QueueEvent): QueueEvent {
    return 'reason' in event ? { ...event, reason: this.redact(event.reason) } : event;
  }

  private record(result: SendResult, batch: Batch): void {
    switch (result.kind) {
      case 'sent':
        this.lastSuccess = Date.now();
        if (result.rejected > 0) this.enter('refusing', result.message);
        else this.enter('working', undefined);
        return;
      case 'too_large':
        // A batch of several items is sent again in parts; a single item is refused.
        if (batch.items === 1) this.enter('refusing', result.reason);
        return;
      case 'refused':
        this.enter('refusing', result.reason);
        return;
      case 'retryable':
        this.enter('failing', result.reason);
        return;
      default:
        result satisfies never;
    }
  }

  private enter(state: ExporterStatus['state'], reason: string | undefined): void {
    if (state === 'working') this.since = undefined;
    else if (state !== this.state) this.since = Date.now();
    this.state = state;
    this.reason = reason === undefined ? undefined : this.redact(reason);
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
