import type { Configuration } from '../haproxy/configuration.ts';
import { backendsOf, type ProxySection } from '../haproxy/proxies.ts';
import type { Statement } from '../haproxy/statements.ts';
import { textAt, wordRanges } from '../haproxy/words.ts';

/** A rule that sets the log level of a request, `silent` where it is to have no line. */
type LevelRule = { readonly statement: Statement; readonly level: string };

/** Set where a request has no line. */
export const SILENT = 'txn.otel.silent';

/** Those of a proxy and of the backends that it may choose, until the reply goes out. */
export function levelRules(proxy: ProxySection, configuration: Configuration): LevelRule[] {
  return [proxy, ...backendsOf(proxy, configuration.proxies)]
    .flatMap(({ statements }) => statements)
    .flatMap((statement) => {
      const at = statement.words.indexOf('set-log-level');
      const isRule = /^(http-request|http-response|tcp-request)$/.test(statement.words[0] ?? '');
      return at === -1 || !isRule ? [] : [{ statement, level: statement.words[at + 1] ?? '' }];
    });
}

/** What has to stand behind the rule, as it is written in `source`, to know of it when the reply goes out. */
export function companionOf(source: string, { level }: LevelRule): string {
  const spans = wordRanges(source);
  const at = spans.findIndex((span) => textAt(source, span) === 'set-log-level');
  const before = source.slice(spans[0]?.start, spans[at]?.start);
  const behind = source.slice(spans[at + 1]?.end, spans.at(-1)?.end);
  const action = level === 'silent' ? `set-var(${SILENT}) bool(true)` : `unset-var(${SILENT})`;
  return `${before}${action}${behind}`;
}
