import type { AttributeValue, LineBytes } from './record.ts';
import type { Field, Kind } from './table.ts';

/**
 * The values of one record, as HAProxy writes them: undefined where it has none and writes `-`; a phase that was not
 * reached is -1.
 */
export type FieldValues = {
  /** Undefined for what is no record. */
  readonly kind: Kind | undefined;
  /** When the line was written, in microseconds since the epoch. */
  readonly end: number | undefined;
  text(field: Field): string | undefined;
  /** Where the value stands, if it is written as it is: one object for all of them. */
  bytes(field: Field): LineBytes | undefined;
  /** Undefined too for what is no number. */
  number(field: Field): number | undefined;
  /** Whether the record has the field at all, be it with a dash or nothing for its value. */
  has(field: Field): boolean;
  /** The user's own fields. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly line: LineBytes | undefined;
};

/** Undefined unless above zero: HAProxy writes 0 or -1 for what it does not have. */
export function positive(values: FieldValues, field: Field): number | undefined {
  const value = values.number(field);
  return value !== undefined && value > 0 ? value : undefined;
}

/** Of a phase that was reached. */
export function duration(values: FieldValues, field: Field): number | undefined {
  const value = values.number(field);
  return value !== undefined && value >= 0 ? value : undefined;
}
