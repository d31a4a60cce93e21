import { viewOf } from '../bytes.ts';
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

/** Actions that are always the same but for the bytes of their values: where these start. */
export type ActionTemplate = { readonly bytes: DataView; readonly values: readonly number[] };

/**
 * Actions that set variables to strings of known lengths.
 *
 * @param variables names without HAProxy's prefix, `traceparent` becomes `txn.otel.traceparent`; and values, with
 *   what does not stand yet as any character
 */
export function compileActions(
  scope: Scope,
  variables: Readonly<Record<string, string>>,
): ActionTemplate {
  const writer = new Writer();
  const values: number[] = [];
  for (const [name, value] of Object.entries(variables)) {
    writeSetVar(writer, scope, name);
    writer.string(value);
    values.push(writer.position - value.length);
  }
  return { bytes: viewOf(Buffer.from(writer.bytes())), values };
}

/** "Set this variable to a string"; the string follows with its length. */
export function compileSetVar(scope: Scope, name: string): DataView {
  const writer = new Writer();
  writeSetVar(writer, scope, name);
  return viewOf(Buffer.from(writer.bytes()));
}

function writeSetVar(out: Writer, scope: Scope, name: string): void {
  out.byte(ActionType.SET_VAR);
  out.byte(3);
  out.byte(scope);
  out.string(name);
  out.byte(DataType.STRING);
}

/**
 * The action of an otherwise empty ACK. HAProxy 3.1 makes a request wait for the whole processing timeout after an
 * ACK without actions; unsetting a variable that is not set has no effect.
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
  private empty = true;

  constructor(out: Writer) {
    this.out = out;
  }

  begin(notify: NotifyReader): void {
    this.empty = true;
    this.out.beginFrame();
    writeHead(this.out, FrameType.ACK);
    this.out.copy(notify.buffer, notify.idsStart, notify.idsEnd);
  }

  /** Adds actions; returns where in `out.buffer` they start. The place is valid until the next call. */
  add(actions: ActionTemplate): number {
    this.empty = false;
    const start = this.out.position;
    this.out.copyView(actions.bytes);
    return start;
  }

  /** Adds an action that `compileSetVar` made, with its value: `value[start, end)`. */
  setVar(action: DataView, value: Buffer, start = 0, end = value.length): void {
    this.empty = false;
    this.out.copyView(action);
    this.out.varint(end - start);
    this.out.copy(value, start, end);
  }

  end(): void {
    if (this.empty) this.out.copy(NOTHING, 0, NOTHING.length);
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
