import { Socket } from 'node:net';
import { detach } from './descriptors.ts';

/** As many as Node reads at once by itself. */
const READ_BYTES = 65_536;

/** Of this thread: what was read is consumed before the next read, of whichever socket that is. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);

/**
 * The same connection with `data` events whose bytes are valid during the event only. Node makes a buffer for each read
 * otherwise, which costs a fifth of what a read and a write cost.
 *
 * @param accepted of a server with `pauseOnConnect`
 */
export function readInPlace(accepted: Socket): Socket {
  const handle = detach(accepted);
  if (handle === undefined) return accepted.resume();
  const socket = socketInPlace({ handle });
  // A server counts its connections by the sockets that it made.
  socket.once('close', () => accepted.destroy());
  return socket;
}

/** The same for a connection of which only the descriptor, or what Node has behind a socket, is known. */
export function socketInPlace(
  connection: { readonly fd: number } | { readonly handle: object },
): Socket {
  const onread = {
    buffer: READ_BUFFER,
    callback: (bytes: number): boolean => {
      socket.emit('data', READ_BUFFER.subarray(0, bytes));
      return true;
    },
  };
  // Node's types know `fd` alone.
  const options: object = { ...connection, onread };
  const socket: Socket = new Socket(options);
  return socket;
}
