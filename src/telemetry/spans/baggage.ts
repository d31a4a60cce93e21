import { parseKeyPairsIntoRecord } from '@opentelemetry/core';
import { copyRecord } from '../../records/copy-record.ts';
import type { HopRecord } from '../../records/record.ts';

/** The record with the members of its baggage that are called in `keys` among its attributes. */
export function withBaggage(record: HopRecord, keys: readonly string[]): HopRecord {
  if (keys.length === 0 || record.baggage === undefined) return record;
  const members = parseKeyPairsIntoRecord(record.baggage);
  const chosen = keys.filter((key) => Object.hasOwn(members, key));
  const attributes = Object.fromEntries(chosen.map((key) => [key, members[key] ?? '']));
  return { ...copyRecord(record), attributes: { ...record.attributes, ...attributes } };
}
