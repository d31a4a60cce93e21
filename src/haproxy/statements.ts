import { type ConditionFacts, decide } from './conditions.ts';
import type { Environment } from './environment.ts';
import { lex } from './lexer.ts';

/** One line that counts: not empty, no comment, not in a block that a condition leaves out. */
export type Statement = {
  /** At least one. */
  readonly words: readonly string[];
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Variables in it that were not set, which HAProxy replaces by nothing. */
  readonly unset: readonly string[];
};

/** A line that could not be read as HAProxy would. */
export type Doubt = {
  readonly kind: 'undecided' | 'unreadable';
  readonly file: string;
  readonly line: number;
  readonly text: string;
};

export type Reading = {
  readonly environment: Environment;
  readonly facts: Omit<ConditionFacts, 'lookup'>;
  readonly doubts: Doubt[];
};

/** An open `.if`: whether the lines of its current branch count, and whether any branch has matched. */
type Block = { counts: boolean; matched: boolean };

/**
 * Reads the text of one file. Lines that change variables do so for the lines behind them, also of the next file.
 * A condition that cannot be decided counts as false, and is added to `doubts`.
 */
export function readStatements(text: string, file: string, reading: Reading): Statement[] {
  const { environment, doubts } = reading;
  const statements: Statement[] = [];
  const blocks: Block[] = [];
  let section = '';
  text.split('\n').forEach((source, index) => {
    const line = index + 1;
    const lookup = (name: string): string | undefined => {
      if (!name.startsWith('.')) return environment.get(name);
      return { '.FILE': file, '.LINE': String(line), '.SECTION': section }[name];
    };
    const { words, unset, flaw } = lex(source, lookup);
    const [keyword = '', ...rest] = words;
    if (keyword === '' && flaw === undefined) return;
    if (isDirective(keyword)) {
      const holds = (): boolean => {
        const decided = decide(rest.join(' '), { ...reading.facts, lookup });
        if (typeof decided === 'boolean') return decided;
        const kind = decided === undefined ? 'unreadable' : 'undecided';
        doubts.push({ kind, file, line, text: rest.join(' ') });
        return false;
      };
      direct(keyword, blocks, holds);
      return;
    }
    if (blocks.some(({ counts }) => !counts)) return;
    if (flaw !== undefined) doubts.push({ kind: 'unreadable', file, line, text: flaw });
    if (keyword === '') return;
    // Messages to whoever starts HAProxy, and what changes the lines behind.
    if (keyword.startsWith('.') || environment.apply(words)) return;
    if (!/^\s/.test(source)) section = rest[0] ?? keyword;
    statements.push({ words, file, line, unset });
  });
  return statements;
}

const DIRECTIVES = ['.if', '.elif', '.else', '.endif'] as const;
type Directive = (typeof DIRECTIVES)[number];

function isDirective(word: string): word is Directive {
  return DIRECTIVES.some((name) => name === word);
}

/** @param holds evaluates the condition; called only where it matters, as in HAProxy, as it may add a doubt */
function direct(directive: Directive, blocks: Block[], holds: () => boolean): void {
  const block = blocks.at(-1);
  const outer = blocks.slice(0, -1).every(({ counts }) => counts);
  switch (directive) {
    case '.if': {
      // Inside of a block that is left out nothing counts.
      const inside = outer && (block?.counts ?? true);
      const counts = inside && holds();
      blocks.push({ counts, matched: counts || !inside });
      return;
    }
    case '.elif':
    case '.else':
      if (block === undefined) return;
      block.counts = outer && !block.matched && (directive === '.else' || holds());
      block.matched ||= block.counts;
      return;
    case '.endif':
      blocks.pop();
      return;
    default:
      directive satisfies never;
  }
}
