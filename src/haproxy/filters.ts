import type { ProxySection } from './proxies.ts';
import { beginsWith } from './sections.ts';

/**
 * Filters that HAProxy declares by itself as long as there is no other: they have to be written out beside ours, those
 * of caches before that of compression.
 */
export function impliedFilters({ statements }: ProxySection): {
  readonly top: readonly string[];
  readonly filters: readonly string[];
} {
  const declared = (...words: readonly string[]): boolean =>
    statements.some((line) => beginsWith(line, 'filter', ...words));
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
