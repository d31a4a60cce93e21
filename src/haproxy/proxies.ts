import { beginsWith, type Section } from './sections.ts';
import type { Statement } from './statements.ts';

export type ProxyKind = 'frontend' | 'backend' | 'listen';

/** A frontend, a backend, or both in one. */
export type ProxySection = {
  readonly kind: ProxyKind;
  readonly name: string;
  readonly head: Statement;
  /** Of its defaults first, then its own: of what can be set once, the last counts. */
  readonly statements: readonly Statement[];
  readonly mode: string;
  /** Those of its own section alone. */
  readonly own: readonly Statement[];
  /** The defaults that it inherits from; undefined where there are none before it. */
  readonly defaults: Section | undefined;
  /** Whether it names them, with `from`. */
  readonly isNamed: boolean;
};

/** All proxies of a configuration in order, with what they inherit. */
export function findProxies(sections: readonly Section[]): ProxySection[] {
  const named = new Map<string, Defaults>();
  let last: Defaults = { section: undefined, statements: [] };
  const proxies: ProxySection[] = [];
  for (const section of sections) {
    const { kind, name, from, head } = section;
    if (kind === 'defaults') {
      // Nothing is inherited from the defaults before, unless they are named.
      const inherited = from === undefined ? [] : (named.get(from)?.statements ?? []);
      last = { section, statements: [...inherited, ...section.statements] };
      if (name !== '') named.set(name, last);
    } else if (kind === 'frontend' || kind === 'backend' || kind === 'listen') {
      const inherited = from === undefined ? last : named.get(from);
      const statements = [...(inherited?.statements ?? []), ...section.statements];
      const mode = lastOf(statements, 'mode')?.words[1] ?? 'tcp';
      const isNamed = from !== undefined;
      const defaults = inherited?.section;
      proxies.push({
        kind,
        name,
        head,
        statements,
        mode,
        own: section.statements,
        defaults,
        isNamed,
      });
    }
  }
  return proxies;
}

type Defaults = {
  readonly section: Section | undefined;
  readonly statements: readonly Statement[];
};

/** What `defaults` inherits, and its own statements. */
export function statementsOf(defaults: Section, sections: readonly Section[]): Statement[] {
  const before = sections.slice(0, sections.indexOf(defaults));
  const base = before.findLast(
    ({ kind, name }) => kind === 'defaults' && name !== '' && name === defaults.from,
  );
  return [...(base === undefined ? [] : statementsOf(base, sections)), ...defaults.statements];
}

/** The last statement that begins with these words. */
export function lastOf(
  statements: readonly Statement[],
  ...words: readonly string[]
): Statement | undefined {
  return statements.findLast((statement) => beginsWith(statement, ...words));
}

/** The statement that sets an option, unless a later one unsets it. */
export function optionOf(statements: readonly Statement[], name: string): Statement | undefined {
  const found = statements.findLast(
    (statement) =>
      beginsWith(statement, 'option', name) || beginsWith(statement, 'no', 'option', name),
  );
  return found?.words[0] === 'no' ? undefined : found;
}

/** Its loggers, those of `global` in place of `log global`. */
export function loggersOf(proxy: ProxySection, global: readonly Statement[]): Statement[] {
  let loggers: Statement[] = [];
  for (const statement of proxy.statements) {
    if (beginsWith(statement, 'no', 'log')) loggers = [];
    else if (beginsWith(statement, 'log', 'global')) {
      loggers.push(...global.filter(({ words }) => words[0] === 'log'));
    } else if (statement.words[0] === 'log') loggers.push(statement);
  }
  return loggers;
}

/** Its statements, and those of the backends that it may choose. */
export function statementsWith(proxy: ProxySection, proxies: readonly ProxySection[]): Statement[] {
  return [proxy, ...backendsOf(proxy, proxies)].flatMap(({ statements }) => statements);
}

/** The backends that a proxy may choose: all with `mode http` where a name is made of the request. */
export function backendsOf(proxy: ProxySection, proxies: readonly ProxySection[]): ProxySection[] {
  const names = proxy.statements.flatMap(({ words: [keyword, name] }) =>
    keyword === 'default_backend' || keyword === 'use_backend' ? [name ?? ''] : [],
  );
  const isMade = names.some((name) => name.includes('%'));
  return proxies.filter(
    ({ kind, name, mode }) =>
      kind !== 'frontend' &&
      (names.includes(name) || (isMade && mode === 'http' && kind === 'backend')),
  );
}

const RULES = [
  'http-request',
  'http-response',
  'http-after-response',
  'tcp-request',
  'tcp-response',
];

/** Whether no other defaults can inherit from defaults with these. */
export function hasRules(statements: readonly Statement[]): boolean {
  return statements.some(
    ({ words: [keyword = '', action] }) => RULES.includes(keyword) && action !== 'inspect-delay',
  );
}
