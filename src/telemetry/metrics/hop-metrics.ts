import type { Hop } from '../../context/hop.ts';
import type { HopRecord } from '../../records/record.ts';
import { outcomeOf } from '../../records/termination.ts';
import type { ExemplarFilter } from '../config.ts';
import { type Cell, Cells } from './cells.ts';
import { MeasuredSpan } from './exemplars.ts';
import {
  clientAttributes,
  connectionAttributes,
  endAttributes,
  ioAttributes,
  phaseAttributes,
  serverAttributes,
  sizeAttributes,
} from './hop-attributes.ts';
import { HopSeries, type HopSeriesOptions } from './hop-series.ts';
import type { SeriesSetEvents } from './series-set.ts';

const MICROSECONDS = 1e6;
const MILLISECONDS = 1e3;

type HopMetricsOptions = Omit<HopSeriesOptions, 'events'> & {
  readonly exemplarFilter: ExemplarFilter;
  readonly onOverflow: SeriesSetEvents['onOverflow'];
};

/** Measures every hop, sampled or not. */
export class HopMetrics {
  readonly series: HopSeries;
  private readonly cells = new Cells();
  /** Of what is measured from now on. */
  exemplarFilter: ExemplarFilter;
  /** The spans in which the hop is measured: as the client sees it, and as the server does. */
  private readonly serverSpan = new MeasuredSpan('SERVER');
  private readonly clientSpan = new MeasuredSpan('CLIENT');

  constructor(options: HopMetricsOptions) {
    const events = { onOverflow: options.onOverflow, onRetired: () => this.cells.clear() };
    this.series = new HopSeries({ ...options, events });
    this.exemplarFilter = options.exemplarFilter;
  }

  /**
   * @param hop undefined where the record is of none, as of a connection that failed
   * @param exported whether there are spans of it to be found
   */
  observe(record: HopRecord, hop: Hop | undefined, exported: boolean): void {
    const outcome = outcomeOf(record);
    const cell = this.cells.find(record, outcome);
    const isExemplar = hop !== undefined && this.mayBeExemplar(exported);
    this.serverSpan.hop = hop;
    this.serverSpan.time = record.end;
    const serverSpan = isExemplar ? this.serverSpan : undefined;

    cell.hops ??= this.series.hops.get(frontendGroup(record), endAttributes(record, cell));
    cell.hops.add(1);
    if (record.kind === 'http') this.observeRequest(record, cell, serverSpan);
    if (record.kind === 'tcp') this.observeConnection(record, cell, serverSpan);
    if (!outcome.triedServer && record.backend === undefined) return;

    this.clientSpan.hop = hop;
    this.clientSpan.time = record.end;
    // Of a connection there is one span only.
    const isRequest = record.kind === 'http';
    const clientSpan =
      isExemplar && isRequest && outcome.triedServer ? this.clientSpan : serverSpan;
    this.observeServer(record, cell, clientSpan);
  }

  private mayBeExemplar(exported: boolean): boolean {
    const { exemplarFilter } = this;
    return exemplarFilter === 'trace_based' ? exported : exemplarFilter === 'always_on';
  }

  private observeRequest(record: HopRecord, cell: Cell, span: MeasuredSpan | undefined): void {
    const { series } = this;
    cell.serverDuration ??= series.serverDuration.get(
      frontendGroup(record),
      serverAttributes(record, cell),
    );
    cell.serverDuration.record((record.end - record.start) / MICROSECONDS, span);
    const { requestSize, responseSize } = record;
    if (requestSize !== undefined) {
      cell.requestSize ??= series.requestSize.get(frontendGroup(record), sizeAttributes(record));
      cell.requestSize.record(requestSize, span);
    }
    if (responseSize !== undefined) {
      cell.responseSize ??= series.responseSize.get(frontendGroup(record), sizeAttributes(record));
      cell.responseSize.record(responseSize, span);
    }
  }

  private observeConnection(record: HopRecord, cell: Cell, span: MeasuredSpan | undefined): void {
    const { series } = this;
    cell.connectionDuration ??= series.connectionDuration.get(
      frontendGroup(record),
      connectionAttributes(record, cell),
    );
    cell.connectionDuration.record((record.end - record.start) / MICROSECONDS, span);
    const { requestSize, responseSize } = record;
    if (requestSize !== undefined) {
      cell.received ??= series.connectionIo.get(
        frontendGroup(record),
        ioAttributes(record, 'receive'),
      );
      cell.received.add(requestSize);
    }
    if (responseSize !== undefined) {
      cell.transmitted ??= series.connectionIo.get(
        frontendGroup(record),
        ioAttributes(record, 'transmit'),
      );
      cell.transmitted.add(responseSize);
    }
  }

  /** HAProxy's way to a server, and what came of it. */
  private observeServer(record: HopRecord, cell: Cell, span: MeasuredSpan | undefined): void {
    const { series } = this;
    const { queue, connect, response } = record.phases;
    const { count, redispatched } = record.retries;
    const { triedServer } = cell.outcome;
    if (record.kind === 'http' && triedServer) {
      cell.clientDuration ??= series.clientDuration.get(
        backendGroup(record),
        clientAttributes(record, cell),
      );
      cell.clientDuration.record((record.end - record.clientStart) / MICROSECONDS, span);
    }
    // For a response out of the cache all timers are 0: it waited for no server.
    if (queue !== undefined && (triedServer || queue > 0)) {
      cell.queue ??= series.queue.get(backendGroup(record), phaseAttributes(record));
      cell.queue.record(queue / MILLISECONDS, span);
    }
    if (connect !== undefined && triedServer) {
      cell.connect ??= series.connect.get(backendGroup(record), phaseAttributes(record));
      cell.connect.record(connect / MILLISECONDS, span);
    }
    if (response !== undefined && triedServer && record.kind === 'http') {
      cell.response ??= series.response.get(backendGroup(record), phaseAttributes(record));
      cell.response.record(response / MILLISECONDS, span);
    }
    if (count > 0) {
      cell.retries ??= series.retries.get(backendGroup(record), phaseAttributes(record));
      cell.retries.add(count);
    }
    if (redispatched) {
      cell.redispatches ??= series.redispatches.get(backendGroup(record), phaseAttributes(record));
      cell.redispatches.add(1);
    }
  }
}

/** The groups of series that share the room there is. */
function frontendGroup({ frontend, backend = '' }: HopRecord): string {
  return `${frontend} ${backend}`;
}

function backendGroup({ backend = '', server }: HopRecord): string {
  return `${backend} ${server?.name ?? ''}`;
}
