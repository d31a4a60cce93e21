import type { Hop } from '../context/hop.ts';
import { HopView } from '../context/hop-view.ts';
import type { Failure } from './failure.ts';
import { duration, type FieldValues, positive } from './field-values.ts';
import {
  backendOf,
  failureOf,
  kindOf,
  methodOf,
  originOf,
  ownRequestId,
  peerAt,
  protocolVersion,
  targetAt,
} from './fields.ts';
import { clientAndPeer, NOWHERE } from './peers.ts';
import type {
  AttributeValue,
  Endpoint,
  HopKind,
  HopRecord,
  LineBytes,
  PathAndQuery,
  Peer,
  Phases,
  Retries,
  Server,
} from './record.ts';
import type { RequestTarget } from './request-target.ts';
import { NO_RETRIES, readRetries } from './retries.ts';
import { ServerCache } from './server-cache.ts';
import { responseSize } from './sizes.ts';
import { Field } from './table.ts';
import { TargetBytes } from './target-bytes.ts';
import { acceptedAt, agentWait, requestStart, turnedToServer } from './times.ts';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * The record of the line that `values` has: one object for all lines. Fields that most hops need are read at once,
 * text that a client controls when it is accessed. Valid only as long as the line is; `copyRecord` makes a lasting
 * copy.
 */
export class RecordView implements HopRecord {
  kind: HopKind = 'http';
  start = 0;
  clientStart = 0;
  end = 0;
  readonly phases: Mutable<Phases> = {
    handshake: undefined,
    request: undefined,
    agent: undefined,
    queue: undefined,
    retry: undefined,
    connect: undefined,
    response: undefined,
    transfer: undefined,
  };
  retries: Retries = NO_RETRIES;
  terminationState: string | undefined;
  connectionError: string | undefined;
  method: string | undefined;
  tls = false;
  statusCode: number | undefined;
  serverStatusCode: number | undefined;
  requestSize: number | undefined;
  responseSize: number | undefined;
  client: Endpoint = NOWHERE;
  peer: Peer = NOWHERE;
  server: Server | undefined;
  frontend = '';
  backend: string | undefined;
  /** The request target where its bytes need no parsing: `path`, `query` and `sent` are read from it. */
  targetBytes: TargetBytes | undefined;
  /** The hop's bytes, which begin with the request id that the server got; undefined where it got another. */
  requestIdBytes: HopView | undefined;

  private readonly values: FieldValues;
  private readonly servers = new ServerCache();
  private readonly hopView = new HopView();
  private readonly targetView = new TargetBytes();
  private hasHop = false;
  private failure: Failure | undefined;
  /** Whether the record has the fields of HTTP rules, as `protocol`: without these rules nothing is known of changes. */
  private described = false;
  private parsedTarget: RequestTarget | undefined;
  private isTargetParsed = false;
  private frontendText = '';

  constructor(values: FieldValues) {
    this.values = values;
  }

  /** @returns whether there is a record, of which the properties are then */
  read(): boolean {
    const { values, phases } = this;
    const frontend = values.text(Field.frontend);
    const { end } = values;
    if (frontend === undefined || end === undefined) return false;

    const failure = failureOf(values);
    const kind = kindOf(values, failure?.error);
    const hop = values.bytes(Field.hop);
    const received = positive(values, Field.received);
    const answered = positive(values, Field.answered);
    const heldUp =
      received !== undefined && answered !== undefined ? answered - received : undefined;
    const handshake = duration(values, Field.Th);
    const request = duration(values, Field.TR);
    const start =
      (kind === 'http'
        ? requestStart(values, received, request, heldUp)
        : acceptedAt(values, received, handshake)) ?? end;
    const turned =
      kind === 'http' ? turnedToServer(start, answered, request) : start + (handshake ?? 0) * 1000;
    this.kind = kind;
    this.failure = failure;
    this.connectionError = failure?.error;
    this.hasHop = hop !== undefined && this.hopView.read(hop.buffer, hop.start, hop.end);
    this.retries = readRetries(values, phases, (end - turned) / 1000);
    phases.handshake = handshake;
    phases.request = request;
    phases.agent = agentWait(values, heldUp);
    phases.response = duration(values, Field.Tr);
    phases.transfer = duration(values, Field.Td);
    // Timers of a record that HAProxy did not write may be of any size: nothing begins before the epoch.
    this.start = Math.max(0, Math.min(start, end));
    this.clientStart = Math.max(0, Math.min(turned + (phases.queue ?? 0) * 1000, end));
    this.end = end;
    this.terminationState = values.text(Field.termination_state);
    this.method = methodOf(values);
    this.readProxies(frontend);
    this.statusCode = positive(values, Field.status);
    this.serverStatusCode = positive(values, Field.server_status);
    this.requestSize = positive(values, Field.bytes_uploaded);
    this.responseSize = responseSize(
      positive(values, Field.bytes_read),
      positive(values, Field.bytes_sent),
      values.text(Field.compressed) === '1',
      originOf(this),
    );
    const { client, peer } = clientAndPeer(
      peerAt(values, Field.client_address, Field.client_port),
      peerAt(values, Field.peer_address, Field.peer_port),
      this.local,
    );
    this.client = client;
    this.peer = peer;
    this.described = values.has(Field.protocol);
    this.readTarget();
    const hasOwnId = this.hasHop && this.described && !values.has(Field.request_id);
    this.requestIdBytes = hasOwnId ? this.hopView : undefined;
    return true;
  }

  get hop(): Hop | undefined {
    return this.hasHop ? this.hopView : undefined;
  }

  get tracestate(): string | undefined {
    return this.hasHop ? this.values.text(Field.tracestate) : undefined;
  }

  get scheme(): 'http' | 'https' {
    return this.target?.scheme ?? (this.tls ? 'https' : 'http');
  }

  get host(): string | undefined {
    return this.target?.authority ?? this.values.text(Field.host);
  }

  get path(): string | undefined {
    const { target, targetBytes } = this;
    if (targetBytes === undefined) return target?.path;
    return targetBytes.buffer.toString('latin1', targetBytes.start, targetBytes.pathEnd);
  }

  get query(): string | undefined {
    return this.parsed()?.query;
  }

  get sent(): PathAndQuery | undefined {
    if (!this.values.has(Field.sent)) return this.described ? this.parsed() : undefined;
    return targetAt(this.values, Field.sent, this.method);
  }

  get protocolVersion(): string | undefined {
    return protocolVersion(this.values.text(Field.protocol));
  }

  get userAgent(): string | undefined {
    return this.values.text(Field.user_agent);
  }

  get requestId(): string | undefined {
    if (this.described && !this.values.has(Field.request_id)) return ownRequestId(this.hop);
    return this.values.text(Field.request_id);
  }

  get route(): string | undefined {
    return this.values.text(Field.route);
  }

  get baggage(): string | undefined {
    return this.values.text(Field.baggage);
  }

  get local(): Peer {
    return this.failure?.local ?? peerAt(this.values, Field.frontend_address, Field.frontend_port);
  }

  get attributes(): Readonly<Record<string, AttributeValue>> {
    return this.values.attributes;
  }

  get line(): LineBytes | undefined {
    return this.values.line;
  }

  /** Whether the server was sent the request target that `targetBytes` has. */
  get isSentAsItCame(): boolean {
    return this.described && !this.values.has(Field.sent);
  }

  /** Undefined while `targetBytes` is used: then only path and query are needed. */
  private get target(): RequestTarget | undefined {
    return this.targetBytes === undefined ? this.parsed() : undefined;
  }

  private parsed(): RequestTarget | undefined {
    if (!this.isTargetParsed) {
      this.isTargetParsed = true;
      this.parsedTarget = targetAt(this.values, Field.target, this.method);
    }
    return this.parsedTarget;
  }

  private readTarget(): void {
    const bytes = this.values.bytes(Field.target);
    this.isTargetParsed = false;
    const isPlain =
      bytes !== undefined && this.targetView.read(bytes.buffer, bytes.start, bytes.end);
    this.targetBytes = isPlain ? this.targetView : undefined;
  }

  private readProxies(frontend: string): void {
    const { values } = this;
    if (frontend !== this.frontendText) {
      this.frontendText = frontend;
      this.tls = frontend.endsWith('~');
      this.frontend = this.tls ? frontend.slice(0, -1) : frontend;
    }
    this.server = this.servers.read(values);
    this.backend = backendOf(values, this.frontend, this.server, this.phases);
  }
}
