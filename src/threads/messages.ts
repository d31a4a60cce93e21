import type { AdminConfig } from '../admin/config.ts';
import type { InheritedSocket, ListenAddress } from '../listen-address.ts';
import type { ListenerTlsConfig } from '../listener-tls.ts';
import type { RingConnection } from '../records/record-connection.ts';
import type { TelemetryConfig } from '../telemetry/config.ts';
import type { QueueCounts } from '../telemetry/export/queue-report.ts';
import type { RecordCounts } from '../telemetry/pipeline.ts';

/** All that the telemetry thread does: plain data, so that it can be sent to it. */
export type ThreadConfig = TelemetryConfig & {
  readonly logLevel: string;
  /** Standard error is the journal, which has a form of its own for levels. */
  readonly journal: boolean;
  readonly records: ListenAddress;
  /** Of connections over TCP, for records and for SPOP; undefined where only this host connects. */
  readonly tls: ListenerTlsConfig | undefined;
  /** Undefined where there is no admin listener. */
  readonly admin: AdminConfig | undefined;
};

/** What a running thread can change; of `metrics`, interval and exemplars. */
export type Reloadable = Pick<ThreadConfig, 'logLevel' | 'sampler' | 'exporters' | 'metrics'>;

/** What the telemetry thread is started with. */
export type WorkerData = {
  readonly config: ThreadConfig;
  /** The mint thread's numbers, as `admin` reads them. */
  readonly mint: SharedArrayBuffer | undefined;
  /** The command line of the process: a worker's own names its file. */
  readonly argv: readonly string[];
  /** Sockets that another process listens on are not listened on before `listen`. */
  readonly isSuccessor: boolean;
};

/** From the main thread to the telemetry thread. */
export type Command =
  | { readonly type: 'stop'; readonly limit: number }
  | { readonly type: 'ping' }
  /** For an upgrade: `sockets` and `release` are for the agent that ends, `listen` and `continue` for its successor. */
  | { readonly type: 'sockets' | 'listen' | 'release' }
  | { readonly type: 'continue'; readonly connection: RingConnection }
  | { readonly type: 'reload'; readonly config: Reloadable };

/** From the telemetry thread to the main thread. */
export type Report =
  /** Records are accepted, and wait until the thread is ready. */
  | { readonly type: 'listening'; readonly records: string }
  /** With where the admin listener is, if there is one. */
  | { readonly type: 'ready'; readonly admin: string | undefined }
  | { readonly type: 'pong' }
  /** With the reason why it has none. */
  | { readonly type: 'sockets'; readonly sockets: ThreadSockets | string }
  /** Connections that are not read any more, and are closed by `stop`. */
  | { readonly type: 'released'; readonly connections: readonly RingConnection[] }
  /** With the reason why everything stays as it was, if it does. */
  | { readonly type: 'reloaded'; readonly failure: string | undefined }
  | { readonly type: 'failed'; readonly reason: string }
  /** What it counted so far: for a thread that ends without an account of its own. */
  | ({ readonly type: 'counted' } & TelemetryCounts)
  | ({ readonly type: 'stopped' } & TelemetryCounts);

/** What the thread listens on. */
export type ThreadSockets = {
  readonly records: readonly InheritedSocket[];
  readonly admin: readonly InheritedSocket[];
};

export type TelemetryCounts = {
  readonly records: RecordCounts;
  /** Spans by what became of them; `waiting` ones were lost with the stop. */
  readonly spans: QueueCounts & { readonly waiting: number };
  /** Log records likewise, where logs are exported. */
  readonly logs?: QueueCounts & { readonly waiting: number };
};
