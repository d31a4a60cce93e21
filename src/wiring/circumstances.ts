import type { Configuration } from '../haproxy/configuration.ts';
import { changesLate, changesStatus, earlySteps, writesHeader } from '../haproxy/effects.ts';
import { backendsOf, optionOf, type ProxySection, statementsWith } from '../haproxy/proxies.ts';
import { beginsWith } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';

/**
 * Which request id the server gets: one made of the trace, that of the user's rules, or that of `unique-id-header`,
 * which HAProxy adds last.
 */
type RequestId = 'trace' | 'rules' | 'unique';

/** Effects of the user's lines that the records of a proxy depend on. */
export type Circumstances = {
  /** Others than the agent may hold a request up while it is asked. */
  readonly isHeldUp: boolean;
  /** Rules set the source address. */
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
          beginsWith(line, 'tcp-request', 'content') ||
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
export function requestIdRules(proxy: ProxySection, { proxies }: Configuration): Statement[] {
  return statementsWith(proxy, proxies).filter((line) => writesHeader(line, REQUEST_ID_HEADER));
}

/** Rules of backends alone that change the status: they run before those of the proxy. */
export function statusRules(proxy: ProxySection, { proxies }: Configuration): Statement[] {
  return backendsOf(proxy, proxies)
    .filter((backend) => backend !== proxy)
    .flatMap(({ statements }) => statements.filter(changesStatus));
}
