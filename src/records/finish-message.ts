import { DataType } from '../spop/constants.ts';
import { SpopError } from '../spop/error.ts';
import { Reader, type TypedData } from '../spop/reader.ts';
import { RecordFields } from './fields.ts';
import type { HopRecord } from './record.ts';

/** The message of spoe/otel-finish.conf, sent when a server's response headers are there. */
export const FINISH = Buffer.from('finish');

/**
 * Turns the arguments of a `finish` message into a `HopRecord`: names and typed data, one after the other
 * (SPOE.txt, section 3.1). Their names are those of the log format's fields.
 *
 * @returns undefined when they are not a record, or not well-formed
 */
export function parseFinishMessage(
  buffer: Buffer,
  start: number,
  end: number,
): HopRecord | undefined {
  const reader = new Reader();
  reader.reset(buffer, start, end);
  const fields = new RecordFields();
  try {
    while (reader.remaining > 0) {
      const name = reader.string();
      const text = plainText(reader.typedData());
      if (text !== undefined) fields.set(name, text);
    }
  } catch (error) {
    if (error instanceof SpopError) return undefined;
    throw error;
  }
  return fields.toRecord();
}

function plainText(data: TypedData): string | undefined {
  switch (data.type) {
    case DataType.NULL:
      return undefined;
    case DataType.STRING:
      return data.value;
    case DataType.BOOLEAN:
      return data.value ? '1' : '0';
    case DataType.INT32:
    case DataType.UINT32:
    case DataType.INT64:
    case DataType.UINT64:
      return String(data.value);
    case DataType.IPV4:
      return data.value.join('.');
    case DataType.IPV6:
      return new URL(
        `http://[${data.value.toString('hex').replace(/(....)(?!$)/g, '$1:')}]`,
      ).hostname.slice(1, -1);
    case DataType.BINARY:
      return data.value.toString('utf8');
    default:
      return data satisfies never;
  }
}
