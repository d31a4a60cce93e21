import { HopOffset } from '../context/hop.ts';
import { MISSING, RecordFields } from './fields.ts';
import type { AttributeValue, HopRecord } from './record.ts';
import { type FieldKind, type FieldSink, KeyMemory, scanRecord } from './scanner.ts';

/**
 * Turns a line of the shipped log format (haproxy/haproxy.cfg) into a `HopRecord`.
 *
 * @returns undefined for a line that is not a record: it names no frontend, or no time it ended
 */
export function parseAccessLog(buffer: Buffer, start: number, end: number): HopRecord | undefined {
  const fields = new RecordFields();
  const add: FieldSink = (key, valueStart, valueEnd, kind) => {
    if (key === 'attributes') {
      fields.attributes = parseAttributes(buffer, valueStart, valueEnd);
      return;
    }
    const value = readText(buffer.toString('utf8', valueStart, valueEnd), kind);
    if (value !== undefined) fields.set(key, value);
  };
  scanRecord(buffer, start, end, add, KEYS);
  return fields.toRecord();
}

/**
 * Whether the line is of a hop that was not sampled, by a look at its first bytes. Only a line that
 * starts with the hop can say so; any other is worth parsing.
 */
export function isUnsampled(buffer: Buffer, start: number, end: number): boolean {
  const flags = start + HOP_FIELD.length + HopOffset.FLAGS;
  return (
    flags + 1 < end &&
    buffer.compare(HOP_FIELD, 0, HOP_FIELD.length, start, start + HOP_FIELD.length) === 0 &&
    UNSAMPLED.test(buffer.toString('latin1', flags, flags + 2))
  );
}

/** Whether this process of HAProxy was stopping, so that its ring delivers nothing any more. */
export function isStopping(buffer: Buffer, start: number, end: number): boolean {
  let stopping = false;
  const look: FieldSink = (key, valueStart, valueEnd) => {
    if (key === 'stopping') stopping = buffer.toString('latin1', valueStart, valueEnd) === '1';
  };
  scanRecord(buffer, start, end, look, KEYS);
  return stopping;
}

/**
 * How many records HAProxy says here that it dropped because its ring was full; 0 in any other line. There
 * may have been more: what was dropped between two such lines is counted, not what they displaced.
 */
export function droppedByRing(buffer: Buffer, start: number, end: number): number {
  if (end - start > MAX_DROPPED_LENGTH) return 0;
  return Number(DROPPED.exec(buffer.toString('latin1', start, end))?.[1] ?? 0);
}

/** As HAProxy's sinks announce it; 3.0 and later send the zero byte along. */
const DROPPED = /^(\d+) events? dropped\0?$/;
const MAX_DROPPED_LENGTH = 40;

/** Of a line, and of the attributes in it. */
const KEYS = new KeyMemory();
const ATTRIBUTE_KEYS = new KeyMemory();

const HOP_FIELD = Buffer.from('{"hop":"');
/** Two digits of trace flags with the sampled bit clear. */
const UNSAMPLED = /^[0-9a-f][02468ace]$/;

/** The longest escape, `\u0000`: as much may have to go from the end of a text that was cut. */
const ESCAPE_LENGTH = 6;

/** The text that a field stands for; undefined where its escapes are broken. */
function readText(raw: string, kind: FieldKind): string | undefined {
  switch (kind) {
    case 'raw':
      // HAProxy's own JSON encoding, from 3.0 on, has this in place of a dash.
      return raw === 'null' ? undefined : raw;
    case 'text':
      return raw;
    case 'escaped':
      return parseJson(`"${raw}"`) as string | undefined;
    case 'cut':
      return readCutText(raw.replace(/\ufffd$/, ''));
    default:
      return kind satisfies never;
  }
}

/** Text without the rest of an escape at its end. */
function readCutText(raw: string): string | undefined {
  for (let dropped = 0; dropped < ESCAPE_LENGTH; dropped += 1) {
    const value = parseJson(`"${raw.slice(0, raw.length - dropped)}"`);
    if (typeof value === 'string') return value;
  }
  return undefined;
}

/** The user's own fields: what is not a value that a span attribute can have is left out. */
function parseAttributes(
  buffer: Buffer,
  start: number,
  end: number,
): Readonly<Record<string, AttributeValue>> {
  const attributes: Record<string, AttributeValue> = {};
  const add: FieldSink = (key, valueStart, valueEnd, kind) => {
    const raw = buffer.toString('utf8', valueStart, valueEnd);
    const value = parseJson(kind === 'raw' ? raw : `"${raw}"`);
    if (key !== '' && !isMissing(value) && isAttributeValue(value)) attributes[key] = value;
  };
  scanRecord(buffer, start, end, add, ATTRIBUTE_KEYS);
  return attributes;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A header that a request did not have is `"-"`, or `["-"]` where it is written as a list. */
function isMissing(value: unknown): boolean {
  return value === MISSING || (Array.isArray(value) && value.every((item) => item === MISSING));
}

function isAttributeValue(value: unknown): value is AttributeValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    default:
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
  }
}
