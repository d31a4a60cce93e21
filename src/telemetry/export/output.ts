import type { ExporterConfig } from '../config.ts';
import type { ItemMark } from '../otlp/otlp-items.ts';
import type { ExporterStatus } from './exporter-status.ts';
import { emptyCounts, type QueueCounts } from './queue-report.ts';
import { NOTHING_PREPARED, type Prepared } from './signal-exporter.ts';

/** Where the items of one signal go once they are written. */
export type Output = {
  /** To be called before items are written that belong together; what it returns is for `commit`. */
  begin(): ItemMark | undefined;
  commit(before: ItemMark | undefined, items: number): void;
  /** Gives up after `limit` milliseconds; what is left then is lost. */
  flush(limit: number): Promise<void>;
  /**
   * Sets up what sends as `config` has it, if it is of the same kind, and changes nothing until that is applied.
   *
   * @throws Error when it cannot be set up
   */
  prepare(config: ExporterConfig): Prepared;
  /** Items by what became of them. */
  readonly counts: Readonly<QueueCounts>;
  /** Items that are not exported yet and wait to be. */
  readonly waiting: number;
};

/** Prints items as soon as they are written. */
export class ConsoleOutput implements Output {
  readonly counts = emptyCounts();
  readonly waiting = 0;
  private readonly status: ExporterStatus;
  private readonly print: () => void;

  constructor(status: ExporterStatus, print: () => void) {
    this.status = status;
    this.print = print;
  }

  begin(): undefined {}

  commit(_before: undefined, items: number): void {
    this.counts.exported += items;
    this.print();
    this.status.lastSuccess = Date.now();
  }

  async flush(): Promise<void> {}

  prepare(): Prepared {
    return NOTHING_PREPARED;
  }
}
