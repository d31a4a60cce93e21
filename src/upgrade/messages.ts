import type { InheritedSocket } from '../listen-address.ts';
import type { RingConnection } from '../records/record-connection.ts';
import type { ConnectionState } from '../spop/connection.ts';

/** The variable in which an agent passes `ListenerSockets` to its successor, as JSON. */
export const SOCKETS_VARIABLE = 'HAPROXY_OTEL_INHERITED_SOCKETS';

/** The sockets of one listener of the agent. */
export type ListenerSockets = {
  readonly listener: 'spop' | 'records' | 'admin';
  /** As it is set. */
  readonly address: string;
  readonly sockets: readonly InheritedSocket[];
};

/** A connection that is handed over; its handle goes with the message. */
export type HandedOver =
  | { readonly kind: 'spop'; readonly state: ConnectionState }
  | { readonly kind: 'records'; readonly connection: RingConnection };

/** From the agent to its successor. */
export type ToSuccessor =
  /** Listen now. */
  | { readonly type: 'take over' }
  /** With a handle. The former has let go of it. */
  | { readonly type: 'connection'; readonly connection: HandedOver }
  /** There are no more connections. */
  | { readonly type: 'end' };

/** From the successor to the agent before it. */
export type FromSuccessor =
  | { readonly type: 'started'; readonly pid: number }
  /** It could be the agent now. systemd knows. */
  | { readonly type: 'ready' }
  /** It listens. */
  | { readonly type: 'listening' }
  /** It reads the connection that came last. */
  | { readonly type: 'adopted' }
  /** It is the agent. */
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly reason: string };
