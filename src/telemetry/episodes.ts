import type { Logger } from '../log.ts';
import { RECORD_VERSION } from '../records/table.ts';
import type { Signal } from './config.ts';
import type { QueueEvent } from './queue.ts';
import { SIGNALS } from './signal.ts';

/** How often lines that are no records are told of, in milliseconds. */
const UNUSABLE_EPISODE = 60_000;

/** Tells of the first line at once, and of how many there were a minute later. */
export function createUnusableLog(log: Logger): (line: string) => void {
  let count = 0;
  return (line) => {
    count += 1;
    if (count > 1) return;
    log.warn({ line }, 'a log line without a record');
    setTimeout(() => {
      if (count > 1) log.warn({ lines: count }, 'log lines that are not records');
      count = 0;
    }, UNUSABLE_EPISODE).unref();
  };
}

/** How often connections that are refused are reported, in milliseconds. */
const REFUSED_EPISODE = 60_000;

/** Reports the first connection that is refused at once, and a minute later how many there were. */
export function createRefusalLog(log: Logger): (peer: string, reason: string) => void {
  let count = 0;
  return (peer, reason) => {
    count += 1;
    if (count > 1) return;
    log.warn({ peer, reason }, 'connection for records refused');
    setTimeout(() => {
      if (count > 1) log.warn({ connections: count }, 'connections for records refused');
      count = 0;
    }, REFUSED_EPISODE).unref();
  };
}

/** How often records of another version are reported, in milliseconds. */
const OTHER_VERSION_EPISODE = 60_000;

/** Reports the first record of another version at once, with what to do, and a minute later how many there were. */
export function createOtherVersionLog(log: Logger): (version: number) => void {
  let count = 0;
  return (version) => {
    count += 1;
    if (count > 1) return;
    log.error(
      { version, expected: RECORD_VERSION },
      "HAProxy's configuration writes the records of another release: run haproxy-otel-spoa add --write and reload HAProxy",
    );
    setTimeout(() => {
      if (count > 1) log.error({ records: count }, 'records of another release');
      count = 0;
    }, OTHER_VERSION_EPISODE).unref();
  };
}

/** HAProxy tells of dropped records in many small numbers: how long they are added up, in milliseconds. */
const DROPPED_EPISODE = 1_000;

/** Tells how many records HAProxy dropped, once for all that it tells within a second. */
export function createDroppedLog(log: Logger): (records: number) => void {
  let records = 0;
  return (more) => {
    if (records === 0) {
      setTimeout(() => {
        log.error({ records }, "HAProxy's ring was full, it dropped records");
        records = 0;
      }, DROPPED_EPISODE);
    }
    records += more;
  };
}

/** How often faults of what only watches are told of, in milliseconds. */
const FAULT_EPISODE = 60_000;

/** Tells of the first fault at once, and of how many there were a minute later. */
export function createFaultLog(log: Logger): (error: unknown) => void {
  let count = 0;
  return (error) => {
    count += 1;
    if (count > 1) return;
    log.error(
      { err: error },
      'a fault in metrics or in what the admin listener shows, tracing goes on',
    );
    setTimeout(() => {
      if (count > 1)
        log.error({ faults: count }, 'faults in metrics or in what the admin listener shows');
      count = 0;
    }, FAULT_EPISODE).unref();
  };
}

/** Logs what happens to the export queue of one signal: once when it starts, once when it is over. */
export function logQueueEvent(log: Logger, event: QueueEvent, signal: Signal = 'traces'): void {
  const { items } = SIGNALS[signal];
  const { kind, ...fields } = fieldsOf(event, items);
  switch (kind) {
    case 'failing':
      log.warn(fields, `export fails, ${items} wait`);
      return;
    case 'recovered':
      log.info(fields, 'export works again');
      return;
    case 'refused':
      log.error(fields, `the receiver refuses ${items}`);
      return;
    case 'warned':
      log.warn(fields, `the receiver accepts ${items} with a warning`);
      return;
    case 'splitting':
      log.warn(
        fields,
        'the receiver finds batches too large, they are split: HAPROXY_OTEL_BATCH_BYTES can bound them',
      );
      return;
    case 'dropping':
      log.error(fields, `export queue is full, the oldest ${items} are dropped`);
      return;
    case 'dropped':
      log.error(fields, `export queue has room again, ${items} were dropped`);
      return;
    default:
      kind satisfies never;
  }
}

/** A count of items is logged by what they are. */
function fieldsOf(
  event: QueueEvent,
  name: string,
): Readonly<Record<string, unknown>> & Pick<QueueEvent, 'kind'> {
  if (!('items' in event)) return event;
  const { items, ...rest } = event;
  return { ...rest, [name.replaceAll(' ', '_')]: items };
}
