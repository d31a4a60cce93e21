import type { PathAndQuery } from './record.ts';

/** A parsed request target (RFC 9112, section 3.2). */
export type RequestTarget = PathAndQuery & {
  /** Of an absolute form only. */
  readonly scheme: 'http' | 'https' | undefined;
  /** `host:port`, of the authority form only, which CONNECT has. */
  readonly authority: string | undefined;
};

const ABSOLUTE = /^(https?):\/\/[^/?#]*/i;

/** @param method decides whether the target is an authority */
export function parseTarget(text: string, method: string | undefined): RequestTarget {
  if (method === 'CONNECT' && !text.startsWith('/')) {
    return { scheme: undefined, authority: text, path: '', query: undefined };
  }
  const [origin = '', scheme] = ABSOLUTE.exec(text) ?? [];
  const rest = text.slice(origin.length);
  return {
    scheme: scheme === undefined ? undefined : scheme.toLowerCase() === 'https' ? 'https' : 'http',
    authority: undefined,
    // The asterisk stands for the server itself: its URI has no path (RFC 9110, section 7.1).
    ...splitQuery(rest === '*' ? '' : rest),
  };
}

/** Without the question mark there is no query. */
function splitQuery(text: string): PathAndQuery {
  const mark = text.indexOf('?');
  if (mark === -1) return { path: text, query: undefined };
  return { path: text.slice(0, mark), query: text.slice(mark + 1) };
}
