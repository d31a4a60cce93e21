import type { Endpoint, Peer } from './record.ts';

/**
 * The text of HAProxy's log variables for the address of a unix socket; samples have none. The port beside it is a number
 * of HAProxy's own.
 */
const UNIX = 'unix';

/** In front of the IPv4 address of a client of a `v4v6` bind. */
const MAPPED = '::ffff:';

/** An address and a port as HAProxy prints them: of samples the bytes in hexadecimal digits, which cost it the least. */
export function peerOf(address: string | undefined, number: number | undefined): Peer {
  if (address === undefined && number === undefined) return NOWHERE;
  if (address === undefined || address === UNIX) return NAMELESS;
  const port = number === 0 ? undefined : number;
  if (HEXADECIMAL.test(address)) return { address: fromHexadecimal(address), port, unix: false };
  const isMapped = address.startsWith(MAPPED) && address.includes('.');
  return { address: isMapped ? address.slice(MAPPED.length) : address, port, unix: false };
}

/** Neither a dot nor a colon: no text of an address. */
const HEXADECIMAL = /^(?:[0-9A-F]{8}|[0-9A-F]{32})$/;
/** Of IPv6, in front of an IPv4 address. */
const MAPPED_DIGITS = `${'0'.repeat(20)}FFFF`;
const IPV4_DIGITS = 8;

/** Addresses of servers, and of proxies in front, come again and again. */
const texts = new Map<string, string>();
const MAX_TEXTS = 1_024;

function fromHexadecimal(digits: string): string {
  const known = texts.get(digits);
  if (known !== undefined) return known;
  const isIpv4 = digits.length === IPV4_DIGITS || digits.startsWith(MAPPED_DIGITS);
  const text = isIpv4 ? ipv4(digits.slice(-IPV4_DIGITS)) : ipv6(digits);
  if (texts.size === MAX_TEXTS) texts.clear();
  texts.set(digits, text);
  return text;
}

function ipv4(digits: string): string {
  return [...Buffer.from(digits, 'hex')].join('.');
}

/** As RFC 5952 has it, which is how a URL is written. */
function ipv6(digits: string): string {
  const groups = digits.match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/**
 * The client, whom rules like `set-src` may name, and the other end of its connection.
 *
 * @param logged `%ci` and `%cp`
 * @param socket `fc_src` and `fc_src_port`, where these may be others
 * @param local `%fi` and `%fp`
 */
export function clientAndPeer(
  logged: Peer,
  socket: Peer,
  local: Peer,
): { readonly client: Endpoint; readonly peer: Peer } {
  const isUnix = logged.unix || socket.unix || local.unix;
  const peer = isUnix ? NAMELESS : socket.address === undefined ? logged : socket;
  // A rule that sets the address alone leaves the port of the socket, which is not the client's.
  const isOwnPort = logged.address === peer.address || logged.port !== peer.port;
  return { client: isOwnPort ? logged : { address: logged.address, port: undefined }, peer };
}

export const NOWHERE: Peer = { address: undefined, port: undefined, unix: false };
const NAMELESS: Peer = { address: undefined, port: undefined, unix: true };
