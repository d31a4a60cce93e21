import { DataType } from '../spop/constants.ts';
import { SpopError } from '../spop/error.ts';
import { Reader, type TypedData } from '../spop/reader.ts';
import { Field, type FieldValues, MISSING, recordOf } from './fields.ts';
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
  const values = new MessageValues();
  try {
    while (reader.remaining > 0) {
      const name = reader.string();
      const text = plainText(reader.typedData());
      if (text !== undefined && text !== MISSING) values.texts.set(name, text);
    }
  } catch (error) {
    if (error instanceof SpopError) return undefined;
    throw error;
  }
  return recordOf(values);
}

class MessageValues implements FieldValues {
  readonly texts = new Map<string, string>();
  readonly attributes = {};

  text(field: Field): string | undefined {
    const text = this.texts.get(NAMES[field] ?? '');
    return text?.includes('\\') ? unescaped(text) : text;
  }

  number(field: Field): number | undefined {
    const text = this.text(field);
    const value = text === undefined ? Number.NaN : Number(text);
    return Number.isFinite(value) ? value : undefined;
  }
}

const NAMES = Object.keys(Field);

/** In front of the IPv4 address of a client of a `v4v6` bind. */
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** Values are kept as the log line wants them, where a backslash begins an escape (haproxy/haproxy.cfg). */
function unescaped(text: string): string {
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    return text;
  }
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
      if (data.value.indexOf(MAPPED) === 0) return data.value.subarray(MAPPED.length).join('.');
      return new URL(
        `http://[${data.value.toString('hex').replace(/(....)(?!$)/g, '$1:')}]`,
      ).hostname.slice(1, -1);
    case DataType.BINARY:
      return data.value.toString('utf8');
    default:
      return data satisfies never;
  }
}
