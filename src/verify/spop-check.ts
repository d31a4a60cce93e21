import { connect } from 'node:net';
import { formatAddress, type ListenAddress, socketPath } from '../listen-address.ts';
import { DataType, Flag, FrameType, PIPELINING, VERSION } from '../spop/constants.ts';
import { decodeDisconnect, readFrameHead } from '../spop/decode.ts';
import { Reader } from '../spop/reader.ts';
import { FrameSplitter } from '../spop/splitter.ts';
import { Writer } from '../spop/writer.ts';

/** The timeout for an answer of the agent, in milliseconds. */
const TIMEOUT = 5_000;

/** What HAProxy announces with its default tune.bufsize, in bytes. */
const MAX_FRAME_SIZE = 16_380;

/**
 * Does what `option spop-check` of HAProxy does: a HAPROXY-HELLO with `healthcheck`, which an agent answers with its own
 * (section 3.2.4) before it closes the connection.
 *
 * @throws Error with what was wrong, where it cannot be reached or does not speak SPOP
 */
export function checkSpop(address: ListenAddress): Promise<void> {
  if (address.kind === 'fd') {
    throw new Error(`${formatAddress(address)} says nothing to another process`);
  }
  const socket = connect(
    address.kind === 'tcp'
      ? { host: address.host, port: address.port }
      : { path: socketPath(address) },
  );
  const splitter = new FrameSplitter(MAX_FRAME_SIZE);
  return new Promise<void>((resolve, reject) => {
    socket.setTimeout(TIMEOUT, () => socket.destroy(new Error('it does not answer')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('it closes the connection without an answer')));
    socket.once('connect', () => socket.write(healthCheck()));
    socket.on('data', (chunk: Buffer) => {
      try {
        splitter.push(chunk, (buffer, start, end) => {
          readAgentHello(buffer, start, end);
          resolve();
        });
      } catch (error) {
        reject(error);
      }
    });
  }).finally(() => socket.destroy());
}

function healthCheck(): Buffer {
  const out = new Writer();
  out.beginFrame();
  out.byte(FrameType.HAPROXY_HELLO);
  out.uint32(Flag.FIN);
  out.varint(0);
  out.varint(0);
  out.string('supported-versions');
  out.typedData({ type: DataType.STRING, value: VERSION });
  out.string('max-frame-size');
  out.typedData({ type: DataType.UINT32, value: MAX_FRAME_SIZE });
  out.string('capabilities');
  out.typedData({ type: DataType.STRING, value: PIPELINING });
  out.string('healthcheck');
  out.typedData({ type: DataType.BOOLEAN, value: true });
  out.endFrame();
  return Buffer.from(out.bytes());
}

function readAgentHello(buffer: Buffer, start: number, end: number): void {
  const reader = new Reader();
  reader.reset(buffer, start, end);
  const { type } = readFrameHead(reader);
  if (type === FrameType.AGENT_HELLO) return;
  if (type !== FrameType.AGENT_DISCONNECT) throw new Error('what answers does not speak SPOP');
  const { status, message } = decodeDisconnect(reader);
  throw new Error(`it refuses, with status ${status}: ${message}`);
}
