import { lastOf } from './proxies.ts';
import type { Statement } from './statements.ts';

/** Whether a rule writes the header of requests, or removes it by its name. */
export function writesHeader(
  { words: [keyword, action = '', name] }: Statement,
  header: string,
): boolean {
  return (
    keyword === 'http-request' &&
    /^(set|add|del|replace)-(header|value)$/.test(action) &&
    name?.toLowerCase() === header
  );
}

/** Whether a rule changes the request target that the server gets, or may. */
export function changesTarget({ words: [keyword, action = ''] }: Statement): boolean {
  return (
    keyword === 'http-request' &&
    /^((set|replace)-(path|pathq|uri)|set-query|normalize-uri|lua\..*)$/.test(action)
  );
}

/** Whether a rule changes the status that the server answered, or may. */
export function changesStatus({ words: [keyword, action = ''] }: Statement): boolean {
  return keyword === 'http-response' && /^(set-status|deny|return|redirect|lua\..*)$/.test(action);
}

/** The same behind all others. */
export function changesLate({ words: [keyword, action = ''] }: Statement): boolean {
  return keyword === 'http-after-response' && /^(set-status|lua\..*)$/.test(action);
}

/** Of `log-steps` all but the last one, in the order in which HAProxy comes to them, and those of `do-log`. */
export function earlySteps(statements: readonly Statement[]): string[] {
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
