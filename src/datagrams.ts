import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { hostAndPort } from './endpoint.ts';
import type { ListenAddress, Listening } from './listen.ts';

/** Datagrams that come faster than they are parsed wait here: a reload under load sends many at once. */
const DATAGRAM_BUFFER = 4 * 1024 * 1024;

/**
 * Receives UDP on the addresses and the port of a TCP listener, as HAProxy's `log` line has it.
 *
 * @returns undefined for a listener that has no port of its own
 */
export async function listenForDatagrams(
  { server, hosts }: Listening,
  address: ListenAddress,
  onMessage: (message: Buffer) => void,
): Promise<{ close(): void } | undefined> {
  if (address.kind === 'fd' && address.datagrams !== undefined) {
    return receiveDatagrams(address.datagrams, onMessage);
  }
  const bound = server.address();
  if (hosts.length === 0 || bound === null || typeof bound === 'string') return undefined;
  const sockets: DatagramSocket[] = [];
  const close = (): void => {
    for (const socket of sockets) socket.close();
  };
  for (const host of hosts) {
    const type = isIP(host) === 6 ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: DATAGRAM_BUFFER });
    sockets.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        close();
        const where = hostAndPort(host, bound.port);
        reject(new Error(`cannot receive datagrams on ${where}: ${error.message}`));
      });
      socket.bind(bound.port, host, resolve);
    });
    socket.on('message', onMessage);
  }
  return { close };
}

/** Takes over a socket whose buffer is as large as whoever opened it wanted. */
async function receiveDatagrams(
  fd: number,
  onMessage: (message: Buffer) => void,
): Promise<DatagramSocket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) =>
      reject(new Error(`cannot receive datagrams on fd:${fd}: ${error.message}`)),
    );
    socket.bind({ fd, exclusive: true }, resolve);
  });
  socket.on('message', onMessage);
  return socket;
}
