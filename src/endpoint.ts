import { isIP } from 'node:net';

/**
 * A URL, or a host and port alone, without the name and password that may be in front of the host. Paths of unix
 * sockets stay as they are.
 */
export function withoutUserInfo(endpoint: string): string {
  return endpoint.replace(/^([a-z][a-z0-9+.-]*:\/\/)?[^/?#]*@/i, '$1');
}

/** Host and port of an endpoint, which no secret is in; a unix socket as it is written. */
export function targetOf(endpoint: string): string {
  if (/^unix(-abstract)?:/.test(endpoint)) return endpoint;
  const bare = withoutUserInfo(endpoint);
  return bare.replace(/^https?:\/\//i, '').replace(/[/?#].*$/, '') || bare;
}

/** The path of a unix socket as Node's `net` has it, an abstract one included; undefined for anything else. */
export function unixPathOf(endpoint: string): string | undefined {
  const path = /^unix:\/\/(\/.*)$/s.exec(endpoint)?.[1];
  const name = /^unix-abstract:(.+)$/s.exec(endpoint)?.[1];
  return name === undefined ? path : `\0${name}`;
}

/** The port that is written in an endpoint, also one that its scheme has anyway. */
export function portOf(endpoint: string): number | undefined {
  const port = /^[^/?#]*:(\d+)$/.exec(targetOf(endpoint))?.[1];
  return port === undefined ? undefined : Number(port);
}

/** Host and port as in a URL: an IPv6 address in brackets; the host alone where there is no port. */
export function hostAndPort(host: string, port?: number): string {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? bracketed : `${bracketed}:${port}`;
}

/**
 * Host and port of `host`, `host:port`, `[address]` or `[address]:port`, where brackets are left out and have to be
 * around an IPv6 address; undefined for anything else.
 */
export function parseHostAndPort(
  text: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  const [, bracketed, plain, port] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port ?? 0) > 65_535) return undefined;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined;
  return { host, port: port === undefined ? undefined : Number(port) };
}

/** The host of a URL as sockets have it: an IPv6 address without brackets. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}
