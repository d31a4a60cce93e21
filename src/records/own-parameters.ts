import { optInAttributes } from './opt-in-attributes.ts';
import { type AttributeValue, Double } from './record.ts';
import { FieldKind, type RecordScanner } from './scanner.ts';
import { decode, isMissing } from './values.ts';

/** The size of the cache, in sets of attributes. */
const MAX_REMEMBERED = 512;

/** What may stand behind the name of an attribute whose value is no text: `name:int="…"`. */
const READERS: Readonly<Record<string, (text: string) => AttributeValue | undefined>> = {
  int: (text) => numberOf(text, Number.isSafeInteger),
  double: (text) => {
    const value = numberOf(text, Number.isFinite);
    return value === undefined ? undefined : new Double(value);
  },
  bool: (text) => BOOLEANS.get(text),
};

const BOOLEANS = new Map([
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
]);

/** Attributes for headers are lists, by OpenTelemetry's conventions. */
const HEADER = /^http\.(request|response)\.header\./;

/** Reads the user's own parameters: span attributes by their names. Many requests have the same. */
export class OwnParameters {
  private readonly remembered = new Map<string, Readonly<Record<string, AttributeValue>>>();

  /** @param scanner with the places in `buffer` */
  read(buffer: Buffer, { own, ownCount }: RecordScanner): Readonly<Record<string, AttributeValue>> {
    if (ownCount === 0) return NONE;
    const raw = buffer.toString('latin1', own[0], own[ownCount * 5 - 2]);
    const known = this.remembered.get(raw);
    if (known !== undefined) return known;
    const attributes: Record<string, AttributeValue> = {};
    for (let at = 0; at < ownCount * 5; at += 5) {
      const [nameStart = 0, nameEnd = 0, start = 0, end = 0, kind = 0] = own.subarray(at, at + 5);
      const [name = '', type] = buffer.toString('utf8', nameStart, nameEnd).split(':', 2);
      const isCutNumber = type !== undefined && kind === FieldKind.CUT;
      if (name === '' || isCutNumber || isMissing(buffer, start, end)) continue;
      const text = decode(buffer, start, end, kind);
      const chosen = type === undefined ? optInAttributes(name, text) : undefined;
      if (chosen !== undefined) {
        Object.assign(attributes, { ...chosen, ...attributes });
        continue;
      }
      const value = valueOfType(name, type, text);
      if (value !== undefined) attributes[name] ??= value;
    }
    if (this.remembered.size === MAX_REMEMBERED) this.remembered.clear();
    this.remembered.set(raw, attributes);
    return attributes;
  }
}

const NONE: Readonly<Record<string, AttributeValue>> = {};

function valueOfType(
  name: string,
  type: string | undefined,
  text: string,
): AttributeValue | undefined {
  if (type !== undefined) return READERS[type]?.(text);
  return HEADER.test(name) ? [text] : text;
}

function numberOf(text: string, accepts: (value: number) => boolean): number | undefined {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return accepts(value) ? value : undefined;
}
