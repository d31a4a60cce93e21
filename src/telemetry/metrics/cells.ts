import type { HopRecord } from '../../records/record.ts';
import { answeredStatus, type Outcome, sentStatus } from '../../records/termination.ts';
import { KNOWN_METHODS } from '../spans/http-attributes.ts';
import type { CounterSeries, HistogramSeries } from './series.ts';

/** What hops with the same attributes have in common: where each instrument counts them, once it had to. */
export type Cell = {
  readonly sent: number | undefined;
  readonly answered: number | undefined;
  readonly outcome: Outcome;
  readonly route: string | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;
  /** The next cell of the same proxy, server and code. */
  next: Cell | undefined;
  serverDuration: HistogramSeries | undefined;
  clientDuration: HistogramSeries | undefined;
  requestSize: HistogramSeries | undefined;
  responseSize: HistogramSeries | undefined;
  queue: HistogramSeries | undefined;
  connect: HistogramSeries | undefined;
  response: HistogramSeries | undefined;
  retries: CounterSeries | undefined;
  redispatches: CounterSeries | undefined;
  hops: CounterSeries | undefined;
  connectionDuration: HistogramSeries | undefined;
  received: CounterSeries | undefined;
  transmitted: CounterSeries | undefined;
};

/** The size of the cache, in cells: finding the series of one anew costs a few microseconds. */
const MAX_CELLS = 8192;

/** Cells of one proxy, server and code, at most: bounds the cost of a hop for clients that choose their server or route. */
const MAX_CHAIN = 16;

/** The methods and versions with series of their own, by number; 0 is any other. */
const METHODS = new Map([...KNOWN_METHODS].map((method, index) => [method, index + 1]));
const VERSIONS = new Map(['1.0', '1.1', '2', '3'].map((version, index) => [version, index + 1]));

const MAX_STATUS = 1000;

/** A version that has a series of its own; undefined for what only a client can have made up. */
export function knownVersion(version: string | undefined): string | undefined {
  return version !== undefined && VERSIONS.has(version) ? version : undefined;
}

type Names<T> = Map<string, T>;
type CellsByCode = Map<number, Cell>;

/** Finds the cell of a hop by its names and one number. A cache: which series there are is decided elsewhere. */
export class Cells {
  private readonly frontends: Names<Names<Names<CellsByCode>>> = new Map();
  private count = 0;

  find(record: HopRecord, outcome: Outcome): Cell {
    const sent = sentStatus(record, outcome);
    const answered = answeredStatus(record, outcome);
    const { server, route } = record;
    const place = this.cellsAt(record.frontend, record.backend, server?.name);
    const code = codeOf(record, sent);
    const first = place.get(code);
    let length = 0;
    for (let cell = first; cell !== undefined; cell = cell.next) {
      if (
        cell.outcome.cause === outcome.cause &&
        cell.outcome.fault === outcome.fault &&
        cell.outcome.triedServer === outcome.triedServer &&
        cell.answered === answered &&
        cell.sent === sent &&
        cell.route === route &&
        cell.address === server?.address &&
        cell.port === server?.port
      ) {
        return cell;
      }
      length += 1;
    }
    if (this.count >= MAX_CELLS) {
      this.clear();
      return this.find(record, outcome);
    }
    this.count += 1;
    const next = length < MAX_CHAIN ? first : undefined;
    const cell = createCell(record, outcome, { sent, answered, next });
    place.set(code, cell);
    return cell;
  }

  clear(): void {
    this.frontends.clear();
    this.count = 0;
  }

  private cellsAt(frontend: string, backend = '', server = ''): CellsByCode {
    let backends = this.frontends.get(frontend);
    if (backends === undefined) {
      backends = new Map();
      this.frontends.set(frontend, backends);
    }
    let servers = backends.get(backend);
    if (servers === undefined) {
      servers = new Map();
      backends.set(backend, servers);
    }
    let place = servers.get(server);
    if (place === undefined) {
      place = new Map();
      servers.set(server, place);
    }
    return place;
  }
}

const KINDS = { http: 0, tcp: 1, connection_error: 2 } as const;

/** A small number for all that comes from a small set. */
function codeOf(record: HopRecord, sent: number | undefined): number {
  const { method, protocolVersion } = record;
  const methodNumber = method === undefined ? 0 : (METHODS.get(method) ?? 0);
  const version = protocolVersion === undefined ? 0 : (VERSIONS.get(protocolVersion) ?? 0);
  const closed =
    ((KINDS[record.kind] * 16 + methodNumber) * 8 + version) * 2 +
    (record.scheme === 'https' ? 1 : 0);
  return closed * MAX_STATUS + Math.min(sent ?? 0, MAX_STATUS - 1);
}

function createCell(
  { route, server }: HopRecord,
  outcome: Outcome,
  { sent, answered, next }: Pick<Cell, 'sent' | 'answered' | 'next'>,
): Cell {
  return {
    sent,
    answered,
    outcome,
    route,
    address: server?.address,
    port: server?.port,
    next,
    serverDuration: undefined,
    clientDuration: undefined,
    requestSize: undefined,
    responseSize: undefined,
    queue: undefined,
    connect: undefined,
    response: undefined,
    retries: undefined,
    redispatches: undefined,
    hops: undefined,
    connectionDuration: undefined,
    received: undefined,
    transmitted: undefined,
  };
}
