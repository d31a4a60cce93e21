import { dirname, isAbsolute, join, resolve } from 'node:path';
import { lastOf } from './proxies.ts';
import { says } from './sections.ts';
import type { Statement } from './statements.ts';

/** What an SPOE file says for one engine: its agent and its messages. */
export type Engine = {
  readonly agent: EnginePart | undefined;
  readonly messages: readonly EnginePart[];
};

/** A `spoe-agent` or a `spoe-message`. */
export type EnginePart = {
  readonly name: string;
  readonly head: Statement;
  readonly statements: readonly Statement[];
};

/**
 * @param name of the engine: what stands behind `[name]`; undefined reads a file without such lines
 * @returns undefined where the file says nothing for it
 */
export function findEngine(
  statements: readonly Statement[],
  name: string | undefined,
): Engine | undefined {
  const scoped = inScope(statements, name);
  if (scoped.length === 0) return undefined;
  const parts: (EnginePart & { kind: string; statements: Statement[] })[] = [];
  for (const statement of scoped) {
    const [kind = '', partName = ''] = statement.words;
    if (!/^spoe-(agent|message|group)$/.test(kind)) parts.at(-1)?.statements.push(statement);
    else parts.push({ kind, name: partName, head: statement, statements: [] });
  }
  return {
    agent: parts.find(({ kind }) => kind === 'spoe-agent'),
    messages: parts.filter(({ kind }) => kind === 'spoe-message'),
  };
}

function inScope(statements: readonly Statement[], name: string | undefined): Statement[] {
  let scope: string | undefined;
  return statements.filter(({ words: [first = ''] }) => {
    const named = /^\[(.*)\]$/.exec(first)?.[1];
    if (named === undefined) return scope === name;
    scope = named;
    return false;
  });
}

/** The messages that the agent is sent, of those that are there. */
export function sentMessages({ agent, messages }: Engine): EnginePart[] {
  const names = new Set(
    agent?.statements
      .filter((line) => says(line, 'messages'))
      .flatMap(({ words }) => words.slice(1)),
  );
  return messages.filter(({ name }) => names.has(name));
}

/** Where HAProxy looks for a file that a line of `at` names: `default-path` decides. */
export function resolveFile(
  path: string,
  at: Statement,
  global: readonly Statement[],
  directory: string,
): string {
  if (isAbsolute(path)) return path;
  const [, how, origin = ''] = lastOf(global, 'default-path')?.words ?? [];
  switch (how) {
    case 'config':
      return resolve(directory, dirname(at.file), path);
    case 'parent':
      return resolve(directory, dirname(at.file), '..', path);
    case 'origin':
      return resolve(directory, origin, path);
    default:
      return join(directory, path);
  }
}
