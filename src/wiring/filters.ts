import { lastOf, type ProxySection } from '../haproxy/proxies.ts';
import { says } from '../haproxy/sections.ts';
import type { Statement } from '../haproxy/statements.ts';
import type { SectionLines } from './places.ts';

/** What a proxy asks the agent by, and what it has to say beside. */
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
  const hasOther = proxy.own.some((line) => says(line, 'filter', 'spoe'));
  const from = lastOf(global, 'default-path');
  if (from === undefined || from.words[1] === 'current') {
    return hasOther ? { top, filters: [own, ...filters] } : { top: [own, ...top], filters };
  }
  // Once HAProxy has read another file it does not look for any from there, until it is said again.
  return { last: [own, ...top, ...filters, 'global', from.words.join(' ')] };
}

/**
 * Filters that HAProxy declares by itself as long as there is no other: they have to be written out beside ours, those
 * of caches before that of compression.
 */
function impliedFilters({ statements }: ProxySection): {
  readonly top: readonly string[];
  readonly filters: readonly string[];
} {
  const declared = (...words: readonly string[]): boolean =>
    statements.some((line) => says(line, 'filter', ...words));
  const caches = new Set(
    statements.flatMap(({ words: [, action = '', name = ''] }) =>
      action === 'cache-use' || action === 'cache-store' ? [name] : [],
    ),
  );
  const applications = new Set(
    statements.flatMap(({ words: [keyword, name = ''] }) =>
      keyword === 'use-fcgi-app' ? [name] : [],
    ),
  );
  const compresses = statements.some(({ words }) => words[0] === 'compression');
  return {
    top: [...caches]
      .filter((name) => !declared('cache', name))
      .map((name) => `filter cache ${name}`),
    filters: [
      ...(compresses && !declared('compression') ? ['filter compression'] : []),
      ...[...applications]
        .filter((name) => !declared('fcgi-app', name))
        .map((name) => `filter fcgi-app ${name}`),
    ],
  };
}
