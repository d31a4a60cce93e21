import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions';
import type { AttributeValue, HopRecord } from '../records/record.ts';
import type { Fault } from '../records/termination.ts';

/** Receives the attributes of one span, one after the other. */
export type AttributeSink = {
  attribute(name: string, value: AttributeValue): void;
  /**
   * As `attribute`, for the text `prefix` and the ASCII characters of `buffer[start, end)`, as a list of one where
   * `isList`; for sinks that copy bytes unchanged.
   */
  bytes?(
    name: string,
    buffer: Buffer,
    start: number,
    end: number,
    prefix: string,
    isList: boolean,
  ): void;
};

/** HAProxy's own names, beside those of OpenTelemetry's conventions; each is explained in docs/attributes.md. */
export const HaproxyAttribute = {
  FRONTEND_NAME: 'haproxy.frontend.name',
  BACKEND_NAME: 'haproxy.backend.name',
  SERVER_NAME: 'haproxy.server.name',
  SERVER_ADDRESS: 'haproxy.server.address',
  SERVER_PORT: 'haproxy.server.port',
  TERMINATION_STATE: 'haproxy.termination_state',
  FAULT: 'haproxy.fault',
  CONNECTION_ERROR: 'haproxy.connection_error',
  RETRIES: 'haproxy.retries',
  REDISPATCHED: 'haproxy.redispatched',
  AGENT_AWAY: 'haproxy.agent_away',
  KEPT: 'haproxy.kept',
  BYTES_UPLOADED: 'haproxy.bytes_uploaded',
  BYTES_READ: 'haproxy.bytes_read',
  PHASE_HANDSHAKE: 'haproxy.phase.handshake_ms',
  PHASE_REQUEST: 'haproxy.phase.request_ms',
  PHASE_AGENT: 'haproxy.phase.agent_us',
  PHASE_QUEUE: 'haproxy.phase.queue_ms',
  PHASE_RETRY: 'haproxy.phase.retry_ms',
  PHASE_CONNECT: 'haproxy.phase.connect_ms',
  PHASE_RESPONSE: 'haproxy.phase.response_ms',
  PHASE_TRANSFER: 'haproxy.phase.transfer_ms',
} as const;

/** The policy of tail sampling by which a hop is exported though its trace was not sampled. */
export type TailPolicy = 'error' | 'slow';

/** How the part of a hop that one span covers ended. `status` is what was really sent, if anything was. */
export type SpanEnd = {
  readonly errorType: string | undefined;
  readonly fault: Fault;
  readonly status: number | undefined;
  readonly tailPolicy: TailPolicy | undefined;
};

/** Attributes of every span: where in HAProxy it was, and how it ended. */
export function endAttributes(
  sink: AttributeSink,
  record: HopRecord,
  { errorType, fault, tailPolicy }: Pick<SpanEnd, 'errorType' | 'fault' | 'tailPolicy'>,
): void {
  set(sink, ATTR_ERROR_TYPE, errorType);
  if (fault !== 'none') sink.attribute(HaproxyAttribute.FAULT, fault);
  set(sink, HaproxyAttribute.KEPT, tailPolicy);
  sink.attribute(HaproxyAttribute.FRONTEND_NAME, record.frontend);
  set(sink, HaproxyAttribute.BACKEND_NAME, record.backend);
  set(sink, HaproxyAttribute.SERVER_NAME, record.server?.name);
  set(sink, HaproxyAttribute.TERMINATION_STATE, record.terminationState);
}

export function set(sink: AttributeSink, name: string, value: AttributeValue | undefined): void {
  if (value !== undefined) sink.attribute(name, value);
}
