import type { Level, Message } from '../../records/message.ts';
import type { HopRecord } from '../../records/record.ts';
import { outcomeOf, sentStatus } from '../../records/termination.ts';

/** Number and text of a severity, as OpenTelemetry's log data model has them. */
export type Severity = { readonly number: number; readonly text: string };

const SeverityNumber = { DEBUG: 5, INFO: 9, INFO2: 10, WARN: 13, ERROR: 17 } as const;

const INFO: Severity = { number: SeverityNumber.INFO, text: 'INFO' };
const WARN: Severity = { number: SeverityNumber.WARN, text: 'WARN' };
const ERROR: Severity = { number: SeverityNumber.ERROR, text: 'ERROR' };

/** How bad the end of a hop was: an error as where its span has one, a warning where a client or a retry was at fault. */
export function hopSeverity(record: HopRecord): Severity {
  const outcome = outcomeOf(record);
  if (outcome.fault === 'server' || outcome.fault === 'proxy') return ERROR;
  if ((sentStatus(record, outcome) ?? 0) >= 500) return ERROR;
  return outcome.fault === 'client' || record.retries.count > 0 ? WARN : INFO;
}

export function isWarning({ number }: Severity): boolean {
  return number >= SeverityNumber.WARN;
}

export function isFailure({ number }: Severity): boolean {
  return number >= SeverityNumber.ERROR;
}

/** HAProxy's levels are those of an operator in front of it: a server that is down is an alert, planned or not. */
const NUMBERS: Readonly<Record<Level, number>> = {
  emerg: SeverityNumber.ERROR,
  alert: SeverityNumber.ERROR,
  crit: SeverityNumber.ERROR,
  err: SeverityNumber.ERROR,
  warning: SeverityNumber.WARN,
  notice: SeverityNumber.INFO2,
  info: SeverityNumber.INFO,
  debug: SeverityNumber.DEBUG,
};

/** The text is HAProxy's own name of the level, whatever the number is. */
export function messageSeverity({ level, about }: Message): Severity {
  if (about?.planned === true) return { number: SeverityNumber.INFO2, text: level };
  const isFailedCheck = about?.kind === 'health_check' && about.failed;
  return { number: isFailedCheck ? SeverityNumber.WARN : NUMBERS[level], text: level };
}
