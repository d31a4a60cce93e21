import type { Configuration } from '../haproxy/configuration.ts';
import { backendsOf, optionOf, type ProxySection } from '../haproxy/proxies.ts';
import { says } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';

/** Whose request id the server gets: that of the trace, that of the user's rules, or one that HAProxy adds behind all. */
type RequestId = 'trace' | 'rules' | 'unique';

/** What the user's lines do that records of a proxy have to know of. */
export type Circumstances = {
  /** Others than the agent may hold a request up while it is asked. */
  readonly isHeldUp: boolean;
  /** Rules say who the client is. */
  readonly isSourceSet: boolean;
  /** Rules change what the server answered before the client gets it. */
  readonly isStatusSet: boolean;
  readonly isCompressed: boolean;
  readonly requestId: RequestId;
};

export const REQUEST_ID_HEADER = 'x-request-id';

/** Filters that let a request pass at once. */
const QUICK = ['compression', 'cache', 'trace', 'fcgi-app', 'bwlim-in', 'bwlim-out'];

export function circumstancesOf(proxy: ProxySection, configuration: Configuration): Circumstances {
  const { statements } = proxy;
  const backends = backendsOf(proxy, configuration.proxies);
  const all = [proxy, ...backends].flatMap((each) => each.statements);
  const isAdded = statements.some(
    ({ words: [keyword, name] }) =>
      keyword === 'unique-id-header' && name?.toLowerCase() === REQUEST_ID_HEADER,
  );
  return {
    isHeldUp:
      optionOf(statements, 'http-buffer-request') !== undefined ||
      statements.some(
        (line) =>
          says(line, 'tcp-request', 'content') ||
          (line.words[0] === 'filter' && !QUICK.includes(line.words[1] ?? '')),
      ),
    isSourceSet: all.some(({ words }) => words.some((word) => /^set-src(-port)?$/.test(word))),
    isStatusSet: statements.some(changesStatus) || all.some(changesLate),
    isCompressed: all.some(({ words }) => words[0] === 'compression'),
    requestId: isAdded
      ? 'unique'
      : requestIdRules(proxy, configuration).length > 0
        ? 'rules'
        : 'trace',
  };
}

/** Rules of the user's that write the request id. */
export function requestIdRules(proxy: ProxySection, configuration: Configuration): Statement[] {
  return rulesOf([proxy, ...backendsOf(proxy, configuration.proxies)], 'http-request').filter(
    ({ words: [, action = '', name] }) =>
      /^(set|add|del|replace)-(header|value)$/.test(action) &&
      name?.toLowerCase() === REQUEST_ID_HEADER,
  );
}

/** Rules that change the request target that the server gets, or may. */
export function targetRules(proxy: ProxySection, configuration: Configuration): Statement[] {
  return rulesOf([proxy, ...backendsOf(proxy, configuration.proxies)], 'http-request').filter(
    ({ words: [, action = ''] }) =>
      /^((set|replace)-(path|pathq|uri)|set-query|normalize-uri|lua\..*)$/.test(action),
  );
}

/** Rules of backends alone that change the status: they run before those of the proxy. */
export function statusRules(proxy: ProxySection, configuration: Configuration): Statement[] {
  return backendsOf(proxy, configuration.proxies)
    .filter((backend) => backend !== proxy)
    .flatMap(({ statements }) => statements.filter(changesStatus));
}

function rulesOf(proxies: readonly ProxySection[], keyword: string): Statement[] {
  return proxies.flatMap(({ statements }) =>
    statements.filter(({ words }) => words[0] === keyword),
  );
}

function changesStatus({ words: [keyword, action = ''] }: Statement): boolean {
  return keyword === 'http-response' && /^(set-status|deny|return|redirect|lua\..*)$/.test(action);
}

function changesLate({ words: [keyword, action = ''] }: Statement): boolean {
  return keyword === 'http-after-response' && /^(set-status|lua\..*)$/.test(action);
}
