import type { Hop } from '../../context/hop.ts';
import type { Message } from '../../records/message.ts';
import { ownLine } from '../../records/own-line.ts';
import type { AttributeValue, HopRecord, LineBytes } from '../../records/record.ts';
import { type AttributeSink, HaproxyAttribute, set, type TailPolicy } from '../attributes.ts';
import type { LogsConfig } from '../config.ts';
import { LimitedSpans } from '../spans/limited-spans.ts';
import { type SpanHead, type SpanSink, writeFirstSpan } from '../spans/span-writer.ts';
import { bodyOf, redactedLine } from './log-body.ts';
import { hopSeverity, messageSeverity, type Severity } from './severity.ts';

/** Of a log record all but its attributes. Times are microseconds since the epoch. */
export type LogHead = {
  readonly time: number;
  readonly observed: number;
  readonly severity: Severity;
  readonly eventName: EventName;
  /** Text, or bytes of it that are valid UTF-8 and only until `end`. */
  readonly body: string | LineBytes;
  /** Undefined for what is of no trace. */
  readonly span: LogSpan | undefined;
};

type LogSpan = Pick<SpanHead, 'traceId' | 'spanId' | 'traceFlags'>;

export const EventName = {
  REQUEST: 'haproxy.request',
  CONNECTION: 'haproxy.connection',
  CONNECTION_ERROR: 'haproxy.connection_error',
  SERVER_STATE: 'haproxy.server_state',
  BACKEND_STATE: 'haproxy.backend_state',
  HEALTH_CHECK: 'haproxy.health_check',
  MESSAGE: 'haproxy.message',
} as const;
export type EventName = (typeof EventName)[keyof typeof EventName];

const OF_HOP = {
  http: EventName.REQUEST,
  tcp: EventName.CONNECTION,
  connection_error: EventName.CONNECTION_ERROR,
} as const;

const OF_STATE = {
  server: EventName.SERVER_STATE,
  backend: EventName.BACKEND_STATE,
  health_check: EventName.HEALTH_CHECK,
} as const;

/** Receives log records: each begins, has its attributes, and ends before the next begins. */
export type LogSink = AttributeSink & {
  begin(head: LogHead): void;
  /** @param dropped number of attributes that the record had beside these; 0 by default */
  end(dropped?: number): void;
};

/** Writes log records of hops, each with the attributes of its SERVER span, and of HAProxy's other lines. */
export class LogRecords implements SpanSink {
  private readonly sink: LogSink;
  private readonly limited: LimitedSpans;
  private readonly body: LogsConfig['body'];
  private record: HopRecord | undefined;
  private observed = 0;
  private hasSpan = true;

  constructor(sink: LogSink, { limits, body }: Pick<LogsConfig, 'limits' | 'body'>) {
    this.sink = sink;
    this.limited = new LimitedSpans(this, limits);
    this.body = body;
  }

  /**
   * @param observed when its line came, in microseconds since the epoch
   * @param hasSpan whether the hop is of a trace at all
   */
  hop(
    record: HopRecord,
    hop: Hop,
    tailPolicy: TailPolicy | undefined,
    observed: number,
    hasSpan = true,
  ): void {
    this.record = record;
    this.observed = observed;
    this.hasSpan = hasSpan;
    writeFirstSpan(this.limited, record, hop, tailPolicy);
    this.record = undefined;
  }

  message(message: Message, observed: number): void {
    const { time, line, about } = message;
    this.sink.begin({
      time,
      observed,
      severity: messageSeverity(message),
      eventName: about === undefined ? EventName.MESSAGE : OF_STATE[about.kind],
      body: redactedLine(line, undefined),
      span: undefined,
    });
    set(this.sink, HaproxyAttribute.BACKEND_NAME, about?.backend);
    set(this.sink, HaproxyAttribute.SERVER_NAME, about?.server);
    this.sink.end();
  }

  begin(span: SpanHead): void {
    const { record, observed } = this;
    if (record === undefined) throw new Error('a span without a hop');
    this.sink.begin({
      time: span.end,
      observed,
      severity: hopSeverity(record),
      eventName: OF_HOP[record.kind],
      body: bodyOf(record, ownLine(record), this.body),
      span: this.hasSpan ? span : undefined,
    });
  }

  attribute(name: string, value: AttributeValue): void {
    this.sink.attribute(name, value);
  }

  end(dropped?: number): void {
    this.sink.end(dropped);
  }
}
