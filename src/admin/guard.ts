import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { parseHostAndPort } from '../endpoint.ts';
import { isLoopback } from '../listen-address.ts';
import type { AdminConfig } from './config.ts';

/** Why a request is not answered. */
export type Refusal = {
  readonly status: 400 | 401 | 403 | 404 | 405 | 421 | 503;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
};

const METHODS = ['GET', 'HEAD'];

/**
 * Makes a browser ask its user: the token is the password, with any user name. Chromium wants each challenge in a
 * header of its own.
 */
const CHALLENGES = ['Basic realm="haproxy-otel-spoa"', 'Bearer realm="haproxy-otel-spoa"'];

/** Decides which requests are answered: none of other sites, for other host names, or of other methods. */
export class Guard {
  private readonly token: Buffer | undefined;
  private readonly names: ReadonlySet<string>;
  private readonly local: boolean;

  /** @param local whether only this host reaches the listener; known for certain only once it listens */
  constructor({ token, hosts, address }: AdminConfig, local: boolean) {
    this.token = token === undefined ? undefined : digest(token);
    // Requests may use the name to listen on, and that of this host. No other site can have either.
    const own = address.kind === 'tcp' && isIP(address.host) === 0 ? [address.host] : [];
    this.names = new Set([...hosts, ...own, hostname()].map((name) => name.toLowerCase()));
    this.local = local;
  }

  /** @param page whether the request is for the page itself, which holds no data */
  check(request: IncomingMessage, page: boolean): Refusal | undefined {
    const { host, authorization, origin } = request.headers;
    if (host === undefined || !this.isOwnName(host)) {
      return { status: 421, reason: 'this is not the name of this listener' };
    }
    if (!METHODS.includes(request.method ?? '')) {
      return { status: 405, reason: 'only read', headers: { allow: METHODS.join(', ') } };
    }
    if (isForeign(request, page) || (origin !== undefined && !isOrigin(origin, host))) {
      return { status: 403, reason: 'not for other sites' };
    }
    if (this.token !== undefined && !isToken(this.token, authorization)) {
      return {
        status: 401,
        reason: 'a token is needed',
        headers: { 'www-authenticate': CHALLENGES },
      };
    }
    return undefined;
  }

  /**
   * A site that resolves its own name to this host (DNS rebinding) cannot use an address as its name: addresses are
   * safe, and known names. Ports may be forwarded.
   */
  private isOwnName(host: string): boolean {
    const name = parseHostAndPort(host)?.host.toLowerCase();
    if (name === undefined) return false;
    if (isLoopback(name) || this.names.has(name)) return true;
    return !this.local && isIP(name) !== 0;
  }
}

/** By the header `Sec-Fetch-Site` of browsers. A link on another site may open the page. */
function isForeign({ headers }: IncomingMessage, page: boolean): boolean {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  const followed =
    headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  return !(page && followed);
}

function isOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}

/** Compares digests, which are of one length, in constant time. */
function isToken(token: Buffer, authorization: string | undefined): boolean {
  const [, scheme, value] = /^(bearer|basic) +(\S+)$/i.exec(authorization ?? '') ?? [];
  if (scheme === undefined || value === undefined) return false;
  const shown =
    scheme.toLowerCase() === 'bearer'
      ? value
      : Buffer.from(value, 'base64')
          .toString('utf8')
          .replace(/^[^:]*:/, '');
  return timingSafeEqual(digest(shown), token);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
