import type { Logger } from '../log.ts';
import { throttle } from '../log-throttle.ts';
import { RECORD_VERSION } from '../records/table.ts';
import type { Signal } from './config.ts';
import type { QueueEvent } from './export/queue-report.ts';
import { SIGNALS } from './transport/signal.ts';

export function createUnusableLog(log: Logger): (line: string) => void {
  return throttle((line) => log.warn({ line }, 'a log line without a record'), {
    logCount: (lines) => log.warn({ lines }, 'log lines that are not records'),
  });
}

/** @param became what the agent did to a connection */
export function createPeerLog(
  log: Logger,
  became: 'refused' | 'closed',
): (peer: string, reason: string) => void {
  return throttle(
    (peer, reason) => log.warn({ peer, reason }, `connection for records ${became}`),
    { logCount: (connections) => log.warn({ connections }, `connections for records ${became}`) },
  );
}

export function createOtherVersionLog(log: Logger): (version: number) => void {
  return throttle(
    (version) =>
      log.error(
        { version, expected: RECORD_VERSION },
        "HAProxy's configuration writes the records of another release: run haproxy-otel-spoa add --write and reload HAProxy",
      ),
    { logCount: (records) => log.error({ records }, 'records of another release') },
  );
}

/** HAProxy reports dropped records in many small numbers: how long they are added up, in milliseconds. */
const DROPPED_EPISODE = 1_000;

/** Logs how many records HAProxy dropped, once for all its reports within a second. */
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

/** For faults of what only watches. */
export function createFaultLog(log: Logger): (error: unknown) => void {
  const what = 'in metrics or in what the admin listener shows';
  return throttle((error) => log.error({ err: error }, `a fault ${what}, tracing goes on`), {
    logCount: (faults) => log.error({ faults }, `faults ${what}`),
  });
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

/** The field of a count is named by the signal's items. */
function fieldsOf(
  event: QueueEvent,
  name: string,
): Readonly<Record<string, unknown>> & Pick<QueueEvent, 'kind'> {
  if (!('items' in event)) return event;
  const { items, ...rest } = event;
  return { ...rest, [name.replaceAll(' ', '_')]: items };
}
