import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { descriptorOf } from './descriptors.ts';
import { hostAndPort } from './endpoint.ts';
import type { Listening } from './listen.ts';
import type { InheritedSocket, ListenAddress } from './listen-address.ts';

/** Datagrams that come faster than they are parsed wait here: a reload under load sends many at once. */
const DATAGRAM_BUFFER = 4 * 1024 * 1024;

export type Datagrams = {
  /** The sockets that receive. @throws Error where Node does not have their descriptors */
  readonly sockets: () => InheritedSocket[];
  readonly close: () => void;
};

/**
 * Receives UDP on the addresses and the port of a TCP listener, as HAProxy's `log` line has it.
 *
 * @returns undefined for a listener that has no port of its own
 */
export async function listenForDatagrams(
  { server, hosts }: Listening,
  address: ListenAddress,
  onMessage: (message: Buffer) => void,
): Promise<Datagrams | undefined> {
  if (address.kind === 'fd' && address.datagrams !== undefined) {
    const socket = await receiveDatagrams(address.datagrams, onMessage);
    return receivingOn([{ socket, host: undefined }]);
  }
  const bound = server.address();
  if (hosts.length === 0 || bound === null || typeof bound === 'string') return undefined;
  const inherited = address.kind === 'tcp' ? (address.inherited ?? []) : [];
  const sockets: Receiving[] = [];
  const receiving = receivingOn(sockets);
  for (const host of hosts) {
    const known = inherited.find((socket) => socket.type === 'datagrams' && socket.host === host);
    if (known !== undefined) {
      sockets.push({ socket: await receiveDatagrams(known.fd, onMessage), host });
      continue;
    }
    const type = isIP(host) === 6 ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: DATAGRAM_BUFFER });
    sockets.push({ socket, host });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        receiving.close();
        const where = hostAndPort(host, bound.port);
        reject(new Error(`cannot receive datagrams on ${where}: ${error.message}`));
      });
      socket.bind(bound.port, host, resolve);
    });
    socket.on('message', onMessage);
  }
  return receiving;
}

type Receiving = { readonly socket: DatagramSocket; readonly host: string | undefined };

function receivingOn(sockets: readonly Receiving[]): Datagrams {
  let state: 'open' | 'closed' = 'open';
  return {
    sockets: () =>
      sockets.map(({ socket, host }) => ({ type: 'datagrams', host, fd: descriptorOf(socket) })),
    close: () => {
      if (state === 'closed') return;
      state = 'closed';
      for (const { socket } of sockets) socket.close();
    },
  };
}

/** Reads an inherited socket; the size of its buffer was set by whoever opened it. */
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
