import { readFileSync } from 'node:fs';
import { DataType, Flag, FrameType } from '../../src/spop/constants.ts';
import { Reader, type TypedData } from '../../src/spop/reader.ts';
import { Writer } from '../../src/spop/writer.ts';

/** What real HAProxies sent, by version; hexadecimal, length prefix included. */
export const CAPTURES = JSON.parse(
  readFileSync(new URL('captures.json', import.meta.url), 'utf8'),
) as Record<
  string,
  {
    healthcheck: string;
    hello: string;
    notify: string;
    notifyWithContext: string;
    disconnect?: string;
  }
>;

export type Items = readonly (readonly [string, TypedData])[];

export const text = (value: string): TypedData => ({ type: DataType.STRING, value });
export const uint32 = (value: number): TypedData => ({ type: DataType.UINT32, value });
export const boolean = (value: boolean): TypedData => ({ type: DataType.BOOLEAN, value });
export const nothing: TypedData = { type: DataType.NULL };

const HELLO: Items = [
  ['supported-versions', text('2.0')],
  ['max-frame-size', uint32(16_380)],
  ['capabilities', text('pipelining')],
];

/** A HAPROXY-HELLO with these items changed; undefined removes one. */
export function hello(changes: Record<string, TypedData | undefined> = {}): Buffer {
  const items = new Map<string, TypedData | undefined>([...HELLO, ...Object.entries(changes)]);
  return control(
    FrameType.HAPROXY_HELLO,
    [...items].filter((item): item is [string, TypedData] => item[1] !== undefined),
  );
}

export function disconnect(status: number, message: string): Buffer {
  return control(FrameType.HAPROXY_DISCONNECT, [
    ['status-code', uint32(status)],
    ['message', text(message)],
  ]);
}

export function control(type: number, items: Items): Buffer {
  return frame(type, Flag.FIN, 0, 0, (writer) => writeItems(writer, items));
}

export type Message = readonly [name: string, args: Items];

export function notify(streamId: number, frameId: number, messages: readonly Message[]): Buffer {
  return frame(FrameType.NOTIFY, Flag.FIN, streamId, frameId, (writer) => {
    for (const [name, args] of messages) {
      writer.string(name);
      writer.byte(args.length);
      writeItems(writer, args);
    }
  });
}

export function frame(
  type: number,
  flags: number,
  streamId: number,
  frameId: number,
  payload: (writer: Writer) => void = () => {},
): Buffer {
  const writer = new Writer();
  writer.beginFrame();
  writer.byte(type);
  writer.uint32(flags);
  writer.varint(streamId);
  writer.varint(frameId);
  payload(writer);
  writer.endFrame();
  return Buffer.from(writer.bytes());
}

function writeItems(writer: Writer, items: Items): void {
  for (const [name, value] of items) {
    writer.string(name);
    writer.typedData(value);
  }
}

export type DecodedFrame = {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly frameId: number;
  /** Of HELLO and DISCONNECT. */
  readonly items: Readonly<Record<string, unknown>>;
  /** Of ACK: scope, name and value of each action; a value of undefined for unset-var. */
  readonly actions: readonly { scope: number; name: string; value: unknown }[];
};

/** What an agent sent, frame by frame; throws where it is not well-formed. */
export function decodeAgentFrames(bytes: Buffer): DecodedFrame[] {
  const frames: DecodedFrame[] = [];
  let position = 0;
  while (position < bytes.length) {
    const start = position + 4;
    const end = start + bytes.readUInt32BE(position);
    const reader = new Reader();
    reader.reset(bytes.subarray(0, end), start, end);
    const type = reader.byte();
    const flags = reader.uint32();
    const streamId = reader.varint();
    const frameId = reader.varint();
    const items: Record<string, unknown> = {};
    const actions: { scope: number; name: string; value: unknown }[] = [];
    while (reader.remaining > 0) {
      if (type === FrameType.ACK) {
        const action = reader.byte();
        reader.byte();
        const scope = reader.byte();
        const name = reader.string();
        actions.push({ scope, name, value: action === 1 ? plain(reader.typedData()) : undefined });
      } else {
        items[reader.string()] = plain(reader.typedData());
      }
    }
    frames.push({ type, flags, streamId, frameId, items, actions });
    position = end;
  }
  return frames;
}

function plain(data: TypedData): unknown {
  return data.type === DataType.NULL ? null : data.value;
}
