import type { Endpoint, Peer } from './record.ts';

/** What HAProxy prints for the address of a unix socket; the port beside it is a number of HAProxy's own. */
const UNIX = 'unix';

/** In front of the IPv4 address of a client of a `v4v6` bind. */
const MAPPED = '::ffff:';

/** An address and a port as HAProxy prints them. */
export function peerOf(address: string | undefined, port: number | undefined): Peer {
  if (address === undefined && port === undefined) return NOWHERE;
  if (address === UNIX) return { address: undefined, port: undefined, unix: true };
  const isMapped = address?.startsWith(MAPPED) === true && address.includes('.');
  return { address: isMapped ? address.slice(MAPPED.length) : address, port, unix: false };
}

/**
 * The client, whom rules like `set-src` may name, and the other end of its connection.
 *
 * @param said `%ci` and `%cp`
 * @param socket `fc_src` and `fc_src_port`, where these may be others
 * @param local `%fi` and `%fp`
 */
export function clientAndPeer(
  said: Peer,
  socket: Peer,
  local: Peer,
): { readonly client: Endpoint; readonly peer: Peer } {
  const isUnix = said.unix || socket.unix || local.unix;
  const peer = isUnix ? NAMELESS : socket.address === undefined ? said : socket;
  // Whoever is named without a port of his own still has that of the socket.
  const isOwnPort = said.address === peer.address || said.port !== peer.port;
  return { client: isOwnPort ? said : { address: said.address, port: undefined }, peer };
}

export const NOWHERE: Peer = { address: undefined, port: undefined, unix: false };
const NAMELESS: Peer = { address: undefined, port: undefined, unix: true };
