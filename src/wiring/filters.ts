import { impliedFilters } from '../haproxy/filters.ts';
import type { SectionLines } from '../haproxy/insertion-points.ts';
import { lastOf, type ProxySection } from '../haproxy/proxies.ts';
import { beginsWith } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';

/** The filter by which a proxy asks the agent, and other filters that it then has to declare. */
export function filterLines(
  proxy: ProxySection,
  engine: string,
  global: readonly Statement[],
): SectionLines {
  // Texts of files are bytes here.
  const path = Buffer.from(engine).toString('latin1');
  const own = `filter spoe engine otel config ${/[\s#"'\\$]/.test(path) ? `'${path}'` : path}`;
  const { top, filters } = impliedFilters(proxy);
  // HAProxy 2.6 never ends the wait for an engine that stands behind one with a shorter timeout.
  const hasOther = proxy.own.some((line) => beginsWith(line, 'filter', 'spoe'));
  const from = lastOf(global, 'default-path');
  if (from === undefined || from.words[1] === 'current') {
    return hasOther ? { top, filters: [own, ...filters] } : { top: [own, ...top], filters };
  }
  // A `default-path from` has to be repeated after HAProxy has read another file.
  return { last: [own, ...top, ...filters, 'global', from.words.join(' ')] };
}
