import type { Logger } from './log.ts';
import { throttle } from './log-throttle.ts';
import type { ConnectionEnd } from './spop/connection.ts';
import { StatusCode } from './spop/constants.ts';
import type { Agreement } from './spop/handshake.ts';

/**
 * How long HAProxy has to be disconnected until that is logged, in milliseconds: it closes idle connections.
 */
const AWAY = 300_000;

/**
 * A connection on which nothing was asked for this long, in milliseconds, was closed because it was idle: HAProxy's `timeout idle`,
 * and from 3.1 on `timeout server`, end it with the same status as an agent that does not answer.
 */
const IDLE = 500;

/** Logs SPOP connections: once per episode, and each one at the level debug. */
export class ConnectionLog {
  private readonly log: Logger;
  private readonly trouble: (fields: Record<string, unknown>, message: string) => void;
  private state: 'waiting' | 'connected' = 'waiting';
  private open = 0;
  private opened = 0;
  private away: NodeJS.Timeout | undefined;

  constructor(log: Logger) {
    this.log = log;
    this.trouble = throttle((fields, message) => log.warn(fields, message), {
      kindOf: (_fields, message) => message,
      logCount: (connections, _fields, message) =>
        log.warn({ connections }, `${message}, within a minute`),
    });
  }

  hello(peer: string, agreement: Agreement): void {
    if (agreement.healthcheck) return;
    this.log.debug({ peer, ...agreement }, 'SPOP connection open');
    this.open += 1;
    this.opened += 1;
    clearTimeout(this.away);
    if (this.state === 'waiting') this.log.info({ peer }, 'HAProxy is connected');
    this.state = 'connected';
  }

  /** Before there was a TLS connection. */
  refused(peer: string, reason: string): void {
    this.trouble({ peer, reason }, 'SPOP connection refused');
  }

  /** @param agreement of this connection, if it came that far */
  end(peer: string, end: ConnectionEnd, agreement: Agreement | undefined): void {
    this.logEnd(peer, end);
    if (agreement === undefined || agreement.healthcheck) return;
    this.open -= 1;
    if (this.open > 0 || end.reason === 'stopped' || end.reason === 'handed over') return;
    this.away = setTimeout(() => {
      this.log.info({ connections: this.opened }, 'HAProxy has had no connection for minutes');
      this.state = 'waiting';
      this.opened = 0;
    }, AWAY).unref();
  }

  private logEnd(peer: string, end: ConnectionEnd): void {
    switch (end.reason) {
      case 'protocol': {
        const fields = { peer, status: end.status, reason: end.message };
        const why =
          end.status === StatusCode.RESOURCE_ALLOCATION
            ? 'HAPROXY_OTEL_MAX_CONNECTIONS is too few'
            : 'it broke the protocol';
        this.trouble(fields, `SPOP peer disconnected: ${why}`);
        return;
      }
      case 'unread':
        this.trouble({ peer, bytes: end.bytes }, 'SPOP peer closed: it does not read its answers');
        return;
      case 'disconnected':
        if (end.status !== StatusCode.NORMAL && !isIdleTimeout(end)) {
          const fields = { peer, status: end.status, reason: end.message };
          this.trouble(fields, 'HAProxy disconnected');
          return;
        }
        this.log.debug({ peer, ...end }, 'SPOP connection closed by HAProxy');
        return;
      case 'socket':
      case 'closed':
      case 'healthcheck':
      case 'stopped':
      case 'handed over':
        this.log.debug({ peer, ...end }, 'SPOP connection closed');
        return;
      default:
        end satisfies never;
    }
  }
}

function isIdleTimeout({ status, idle }: ConnectionEnd & { reason: 'disconnected' }): boolean {
  return status === StatusCode.TIMEOUT && idle >= IDLE;
}
