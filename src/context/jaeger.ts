import { idsOf, type RemoteContext } from './remote-context.ts';

const SAMPLED = 0x01;
const DEBUG = 0x02;

/** Ids without their leading zeros; the parent's parent is ignored; flags are hexadecimal. */
const VALUE = /^([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]{1,16}:([0-9a-f]{1,2})$/i;

/** @param text `uber-trace-id`: trace-id `:` span-id `:` parent-id `:` flags; the colons may be percent-encoded */
export function parseJaeger(text: string): RemoteContext | undefined {
  const [, traceId = '', spanId = '', flagDigits = ''] =
    VALUE.exec(text.replaceAll(/%3a/gi, ':')) ?? [];
  const ids = idsOf(traceId, spanId);
  if (ids === undefined) return undefined;
  const flags = Number.parseInt(flagDigits, 16);
  const debug = (flags & DEBUG) !== 0;
  return { ids, sampled: debug || (flags & SAMPLED) !== 0, debug };
}
