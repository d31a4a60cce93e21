import type { Configuration } from '../haproxy/configuration.ts';
import {
  backendsOf,
  lastOf,
  optionOf,
  type ProxySection,
  statementsWith,
} from '../haproxy/proxies.ts';
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
  /** At which lines of the user's are written beside that of the end, from HAProxy 3.1 on. */
  readonly steps: readonly string[];
};

export const REQUEST_ID_HEADER = 'x-request-id';

/** Filters that let a request pass at once. */
const QUICK = ['compression', 'cache', 'trace', 'fcgi-app', 'bwlim-in', 'bwlim-out'];

export function circumstancesOf(proxy: ProxySection, configuration: Configuration): Circumstances {
  const { statements } = proxy;
  const all = statementsWith(proxy, configuration.proxies);
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
    steps: earlySteps(all),
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

/** Of `log-steps` all but the last one, in the order in which HAProxy comes to them, and those of `do-log`. */
function earlySteps(statements: readonly Statement[]): string[] {
  const named = lastOf(statements, 'log-steps')?.words[1]?.split(',') ?? [];
  const listed = STEPS.filter((step) => named.includes(step) || named.includes('all'));
  const ruled = statements.flatMap(({ words }) => {
    const at = words.indexOf('do-log');
    if (at === -1) return [];
    return DO_LOG.get(words.slice(0, at).join(' ')) ?? [];
  });
  return [...new Set([...listed.slice(0, -1), ...ruled])];
}

const STEPS = ['accept', 'request', 'connect', 'response', 'close'];
const DO_LOG: ReadonlyMap<string, string> = new Map([
  ['tcp-request connection', 'tcp-req-conn'],
  ['tcp-request session', 'tcp-req-sess'],
  ['tcp-request content', 'tcp-req-cont'],
  ['tcp-response content', 'tcp-res-cont'],
  ['http-request', 'http-req'],
  ['http-response', 'http-res'],
  ['http-after-response', 'http-after-res'],
  ['quic-initial', 'quic-init'],
]);

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
