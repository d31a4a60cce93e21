import type { Configuration } from '../haproxy/configuration.ts';
import { changesTarget } from '../haproxy/effects.ts';
import { type ProxySection, statementsWith } from '../haproxy/proxies.ts';
import { type NotedName, noteRule, ruleLine } from '../records/format.ts';
import { circumstancesOf, requestIdRules, statusRules } from './circumstances.ts';
import type { Draft } from './draft.ts';
import { companionOf, levelRules } from './levels.ts';
import type { WiringOptions } from './options.ts';
import { REQUEST_ID_READ } from './rules.ts';

/** Lines beside rules of the user's, which note what these did. */
export function addCompanions(
  proxy: ProxySection,
  configuration: Configuration,
  options: WiringOptions,
  draft: Draft,
): void {
  if (proxy.mode !== 'http') return;
  const note = (name: NotedName): string => ruleLine(noteRule('http-request', name));
  if (circumstancesOf(proxy, configuration).requestId === 'rules') {
    for (const rule of requestIdRules(proxy, configuration)) {
      draft.beside(rule, () => note('request_id'));
      if (options.jsonLog) draft.beside(rule, () => REQUEST_ID_READ);
    }
  }
  for (const rule of statementsWith(proxy, configuration.proxies).filter(changesTarget))
    draft.beside(rule, () => note('sent'));
  for (const rule of statusRules(proxy, configuration))
    draft.ahead(rule, ruleLine(noteRule('http-response', 'server_status')));
  const rules = levelRules(proxy, configuration);
  if (!rules.some(({ level }) => level === 'silent')) return;
  for (const rule of rules) draft.beside(rule.statement, (source) => companionOf(source, rule));
}
