import { DataType, Flag, StatusCode } from './constants.ts';
import { SpopError } from './error.ts';
import type { Reader, TypedData } from './reader.ts';

type FrameHead = {
  readonly type: number;
  /** The processing of this frame was cancelled by HAProxy: no answer is expected. */
  readonly aborted: boolean;
};

/** HAPROXY-HELLO, section 3.2.4; unknown items are left out. */
export type HaproxyHello = {
  readonly supportedVersions: readonly string[];
  readonly maxFrameSize: number;
  readonly capabilities: readonly string[];
  readonly healthcheck: boolean;
  readonly engineId: string | undefined;
};

/** HAPROXY-DISCONNECT, section 3.2.8. */
type Disconnect = { readonly status: number; readonly message: string };

/** Characters of a peer's message that are logged, at most. */
const MAX_MESSAGE = 200;

/** Reads type and flags; the stream and frame identifiers come next. */
export function readFrameHead(reader: Reader): FrameHead {
  const type = reader.byte();
  const flags = reader.uint32();
  if ((flags & Flag.FIN) === 0) {
    throw new SpopError(
      StatusCode.FRAGMENTATION_NOT_SUPPORTED,
      'frame without FIN: fragmentation is not supported',
    );
  }
  return { type, aborted: (flags & Flag.ABORT) !== 0 };
}

export function decodeHaproxyHello(reader: Reader): HaproxyHello {
  const items = readControlPayload(reader);
  const versions = items.get('supported-versions');
  if (versions?.type !== DataType.STRING) {
    throw new SpopError(StatusCode.NO_VERSION, 'HELLO without a supported-versions string');
  }
  const size = integer(items.get('max-frame-size'));
  if (size === undefined) {
    throw new SpopError(StatusCode.NO_MAX_FRAME_SIZE, 'HELLO without a max-frame-size number');
  }
  const capabilities = items.get('capabilities');
  if (capabilities?.type !== DataType.STRING) {
    throw new SpopError(StatusCode.NO_CAPABILITIES, 'HELLO without a capabilities string');
  }
  const healthcheck = items.get('healthcheck');
  const engineId = items.get('engine-id');
  return {
    supportedVersions: commaSeparated(versions.value),
    maxFrameSize: size,
    capabilities: commaSeparated(capabilities.value),
    healthcheck: healthcheck?.type === DataType.BOOLEAN && healthcheck.value,
    engineId: engineId?.type === DataType.STRING ? engineId.value : undefined,
  };
}

export function decodeDisconnect(reader: Reader): Disconnect {
  const items = readControlPayload(reader);
  const message = items.get('message');
  return {
    status: integer(items.get('status-code')) ?? StatusCode.UNKNOWN,
    message: message?.type === DataType.STRING ? message.value.slice(0, MAX_MESSAGE) : '',
  };
}

/**
 * Walks the messages and arguments of one NOTIFY frame (section 3.2.6) without making an object for
 * any of them: `nextMessage`, then `nextArgument` until it returns false, reading the fields between. Arguments that
 * are not read are skipped, and validated all the same.
 */
export class NotifyReader {
  /** `buffer[idsStart, idsEnd)`: STREAM-ID and FRAME-ID as sent, which the ACK repeats. */
  idsStart = 0;
  idsEnd = 0;
  /** `buffer[nameStart, nameEnd)`: the name of the current message or argument. */
  nameStart = 0;
  nameEnd = 0;
  /** The type of the current argument's value. */
  type: number = DataType.NULL;
  /** `buffer[valueStart, valueEnd)`: the bytes of a STRING or BINARY, without their length. */
  valueStart = 0;
  valueEnd = 0;
  /** The value of an integer up to 239, something from 240 to 255 for any other; 0 for other types. */
  smallInteger = 0;

  private reader: Reader;
  private argumentsLeft = 0;

  constructor(reader: Reader) {
    this.reader = reader;
  }

  get buffer(): Buffer {
    return this.reader.buffer;
  }

  get view(): DataView {
    return this.reader.view;
  }

  /** Where the next argument or message starts. */
  get position(): number {
    return this.reader.position;
  }

  /** The reader stands behind the frame head. */
  open(): void {
    this.argumentsLeft = 0;
    this.idsStart = this.reader.position;
    this.reader.skipVarint();
    this.reader.skipVarint();
    this.idsEnd = this.reader.position;
  }

  nextMessage(): boolean {
    while (this.nextArgument());
    if (this.reader.remaining === 0) return false;
    this.readName();
    this.argumentsLeft = this.reader.byte();
    return true;
  }

  nextArgument(): boolean {
    if (this.argumentsLeft === 0) return false;
    this.argumentsLeft -= 1;
    this.readName();
    this.readValue();
    return true;
  }

  /** Whether the current name is `name`, byte for byte. */
  named(name: Buffer): boolean {
    return isAt(this.buffer, this.nameStart, this.nameEnd, name);
  }

  /** Whether the current value is the STRING or BINARY `value`. */
  valueEquals(value: Buffer): boolean {
    const isText = this.type === DataType.STRING || this.type === DataType.BINARY;
    return isText && isAt(this.buffer, this.valueStart, this.valueEnd, value);
  }

  /** The current value, if it is text; an integer, if it is small; empty otherwise. */
  get text(): string {
    if (this.type === DataType.STRING) {
      return this.buffer.toString('utf8', this.valueStart, this.valueEnd);
    }
    return isInteger(this.type) && this.valueEnd - this.valueStart === 1
      ? String(this.smallInteger)
      : '';
  }

  private readName(): void {
    const length = this.reader.varint();
    this.nameStart = this.reader.advance(length, 'a name');
    this.nameEnd = this.reader.position;
  }

  private readValue(): void {
    const reader = this.reader;
    const head = reader.position;
    this.type = (reader.buffer[head] ?? DataType.NULL) & 0x0f;
    this.smallInteger = 0;
    switch (this.type) {
      case DataType.STRING:
      case DataType.BINARY: {
        reader.byte();
        const length = reader.varint();
        this.valueStart = reader.advance(length, 'text or binary data');
        this.valueEnd = reader.position;
        return;
      }
      case DataType.INT32:
      case DataType.UINT32:
      case DataType.INT64:
      case DataType.UINT64:
        reader.byte();
        this.valueStart = reader.position;
        reader.skipVarint();
        this.valueEnd = reader.position;
        // Only small counts are asked for in this agent's messages, and they are one byte.
        this.smallInteger = reader.buffer[this.valueStart] ?? 0;
        return;
      default:
        reader.skipTypedData();
        this.valueStart = head;
        this.valueEnd = reader.position;
    }
  }
}

function isInteger(type: number): boolean {
  return (
    type === DataType.INT32 ||
    type === DataType.UINT32 ||
    type === DataType.INT64 ||
    type === DataType.UINT64
  );
}

/** Whether `buffer[start, end)` is `bytes`: a loop costs less than a call into Node's own code. */
function isAt(buffer: Buffer, start: number, end: number, bytes: Buffer): boolean {
  if (end - start !== bytes.length) return false;
  for (let i = 0; i < bytes.length; i += 1) if (buffer[start + i] !== bytes[i]) return false;
  return true;
}

/** Identifiers (0 in these frames, and ignored) and a KV-LIST; the last of equal names wins. */
function readControlPayload(reader: Reader): Map<string, TypedData> {
  reader.skipVarint();
  reader.skipVarint();
  const items = new Map<string, TypedData>();
  while (reader.remaining > 0) items.set(reader.string(), reader.typedData());
  return items;
}

function integer(data: TypedData | undefined): number | undefined {
  switch (data?.type) {
    case DataType.INT32:
    case DataType.UINT32:
      return data.value;
    case DataType.INT64:
    case DataType.UINT64:
      return Number(data.value);
    default:
      return undefined;
  }
}

function commaSeparated(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
