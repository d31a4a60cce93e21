import type { Statement } from './statements.ts';

/** A part of a configuration, from its first line to the next section or the end of the file. */
export type Section = {
  readonly kind: string;
  /** Empty where it has none. */
  readonly name: string;
  /** The defaults that it names with `from`. */
  readonly from: string | undefined;
  readonly head: Statement;
  readonly statements: readonly Statement[];
};

/** Words that start a section, on all versions up to 3.4. */
const KINDS = new Set([
  'global',
  'defaults',
  'frontend',
  'backend',
  'listen',
  'ring',
  'peers',
  'mailers',
  'resolvers',
  'userlist',
  'cache',
  'program',
  'http-errors',
  'fcgi-app',
  'log-forward',
  'log-profile',
  'crt-store',
  'traces',
  'acme',
]);

/** Whether a line that begins with this word starts a section. */
export function isSectionKind(word: string): boolean {
  return KINDS.has(word);
}

/** @param statements of one file: its end is the end of its last section */
export function cutSections(statements: readonly Statement[]): Section[] {
  const sections: (Section & { statements: Statement[] })[] = [];
  for (const statement of statements) {
    const [kind = '', first, second, third] = statement.words;
    if (!KINDS.has(kind)) {
      sections.at(-1)?.statements.push(statement);
      continue;
    }
    const anonymous = first === undefined || first === 'from';
    sections.push({
      kind,
      name: anonymous ? '' : first,
      from: anonymous ? second : second === 'from' ? third : undefined,
      head: statement,
      statements: [],
    });
  }
  return sections;
}

/** Whether the statement begins with these words. */
export function beginsWith(statement: Statement, ...words: readonly string[]): boolean {
  return words.every((word, index) => statement.words[index] === word);
}

/** The word behind `name`, as in `server a 1.2.3.4:80 port 80`. */
export function wordAfter(statement: Statement, name: string, from = 0): string | undefined {
  const at = statement.words.indexOf(name, from);
  return at === -1 ? undefined : statement.words[at + 1];
}
