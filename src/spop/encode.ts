import {
  ActionType,
  DataType,
  Flag,
  FrameType,
  PIPELINING,
  Scope,
  type StatusCode,
  VERSION,
} from './constants.ts';
import type { NotifyReader } from './decode.ts';
import { Writer } from './writer.ts';

/** The fixed bytes of "set this variable to a string"; the string follows with its length. */
export type SetVar = Buffer;

/** @param name without HAProxy's prefix: `traceparent` becomes `txn.otel.traceparent` */
export function compileSetVar(scope: Scope, name: string): SetVar {
  const writer = new Writer();
  writer.byte(ActionType.SET_VAR);
  writer.byte(3);
  writer.byte(scope);
  writer.string(name);
  writer.byte(DataType.STRING);
  return Buffer.from(writer.bytes());
}

/**
 * What stands in an ACK that has nothing to say. HAProxy 3.1 lets a request wait for the whole
 * processing timeout after an ACK without actions; unsetting a variable nobody set does nothing.
 */
const NOTHING: Buffer = (() => {
  const writer = new Writer();
  writer.byte(ActionType.UNSET_VAR);
  writer.byte(2);
  writer.byte(Scope.TRANSACTION);
  writer.string('nothing');
  return Buffer.from(writer.bytes());
})();

/** Builds ACK frames (section 3.2.7) one behind the other. */
export class AckWriter {
  readonly out: Writer;
  private actions = 0;

  constructor(out: Writer) {
    this.out = out;
  }

  begin(notify: NotifyReader): void {
    this.actions = 0;
    this.out.beginFrame();
    writeHead(this.out, FrameType.ACK);
    this.out.copy(notify.buffer, notify.idsStart, notify.idsEnd);
  }

  /**
   * Starts a set-var action; returns where in `out.buffer` its value of `length` bytes must be written.
   * The place is valid until the next call.
   */
  setVar(action: SetVar, length: number): number {
    this.actions += 1;
    this.out.copy(action, 0, action.length);
    this.out.varint(length);
    return this.out.reserve(length);
  }

  end(): void {
    if (this.actions === 0) this.out.copy(NOTHING, 0, NOTHING.length);
    this.out.endFrame();
  }
}

/** AGENT-HELLO, section 3.2.5. */
export function writeAgentHello(
  out: Writer,
  hello: { maxFrameSize: number; pipelining: boolean },
): void {
  out.beginFrame();
  writeHead(out, FrameType.AGENT_HELLO);
  writeZeroIds(out);
  out.string('version');
  out.typedData({ type: DataType.STRING, value: VERSION });
  out.string('max-frame-size');
  out.typedData({ type: DataType.UINT32, value: hello.maxFrameSize });
  out.string('capabilities');
  out.typedData({ type: DataType.STRING, value: hello.pipelining ? PIPELINING : '' });
  out.endFrame();
}

/** AGENT-DISCONNECT, section 3.2.9. */
export function writeAgentDisconnect(out: Writer, status: StatusCode, message: string): void {
  out.beginFrame();
  writeHead(out, FrameType.AGENT_DISCONNECT);
  writeZeroIds(out);
  out.string('status-code');
  out.typedData({ type: DataType.UINT32, value: status });
  out.string('message');
  out.typedData({ type: DataType.STRING, value: message });
  out.endFrame();
}

function writeHead(out: Writer, type: FrameType): void {
  out.byte(type);
  out.uint32(Flag.FIN);
}

function writeZeroIds(out: Writer): void {
  out.byte(0);
  out.byte(0);
}
