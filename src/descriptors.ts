import { Socket as DatagramSocket } from 'node:dgram';
import { type Server, Socket } from 'node:net';

/** What Node has behind a socket. */
type Handle = { readonly fd: number; reading: boolean; readStop(): number };

/** What `ChildProcess.send` passes to another process. */
export type Sendable = Socket;

/**
 * Node's public interface has neither the descriptor of a socket nor a way to stop reading at once; its handles have
 * both, in Node 20, 22 and 24. Nothing else reads them.
 *
 * @throws Error when there is no such handle, as in a later Node, or behind a socket that is closed
 */
function handleOf(owner: Socket | Server | DatagramSocket): Handle {
  const handle: unknown =
    owner instanceof DatagramSocket ? datagramHandle(owner) : Reflect.get(owner, '_handle');
  if (isHandle(handle)) return handle;
  throw new Error(`Node.js ${process.versions.node} has no descriptor behind this socket`);
}

/** By its symbol: the name `_handle` is deprecated here, with a warning. */
function datagramHandle(socket: DatagramSocket): unknown {
  const symbol = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  );
  const state: unknown = symbol && Reflect.get(socket, symbol);
  return typeof state === 'object' && state !== null ? Reflect.get(state, 'handle') : undefined;
}

function isHandle(handle: unknown): handle is Handle {
  if (typeof handle !== 'object' || handle === null) return false;
  const { fd } = handle as Partial<Handle>;
  return typeof fd === 'number' && fd >= 0;
}

/** @throws Error where Node does not have it */
export function descriptorOf(owner: Socket | Server | DatagramSocket): number {
  return handleOf(owner).fd;
}

/** What is behind a socket, for another socket to have; undefined where Node does not have it, as behind a closed one. */
export function detach(socket: Socket): object | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (!isHandle(handle)) return undefined;
  Reflect.set(socket, '_handle', null);
  return handle;
}

/** Reads nothing more from the kernel; what was read and is still held becomes `data` before this returns. */
export function stopReading(socket: Socket): void {
  const handle = handleOf(socket);
  socket.pause();
  handle.readStop();
  // `read` would start it again.
  handle.reading = true;
  while (socket.read() !== null);
}

/**
 * For `ChildProcess.send`, which leaves the socket open: a bare handle, of which the other process reads nothing unless it
 * wants to.
 *
 * @param descriptor of a socket of this thread or another: nothing here ever closes it
 */
export function sendable(descriptor: number | Socket): Sendable {
  const socket =
    typeof descriptor === 'number'
      ? new Socket({ fd: descriptor, readable: false, writable: false })
      : descriptor;
  return handleOf(socket) as unknown as Sendable;
}

/**
 * What another process sent. It stays open as long as this process, unread, unless a socket reads it.
 *
 * @throws Error where Node has no descriptor behind it
 */
export function received(handle: unknown): { readonly fd: number } {
  if (isHandle(handle)) return handle;
  throw new Error('a connection was handed over without its descriptor');
}
