import type { VariableLookup } from './lexer.ts';
import { type HaproxyVersion, isAtLeast } from './version.ts';

/** What conditions ask about HAProxy itself; undefined is not known. */
export type ConditionFacts = {
  readonly version: HaproxyVersion | undefined;
  /** Names with a + in `haproxy -vv`. */
  readonly features: ReadonlySet<string> | undefined;
  readonly lookup: VariableLookup;
};

/** `undecided` depends on what only the running HAProxy knows. */
export type ConditionResult = boolean | 'undecided';

type Term = () => ConditionResult;

const NAME = /^[a-z_]+/;
const INTEGER = /^[+-]?\d+/;

/**
 * Decides the condition of an `.if` or `.elif`, its words joined by single spaces.
 *
 * Source: HAProxy's configuration manual, section 2.4.
 *
 * @returns undefined for what is no condition
 */
export function decide(text: string, facts: ConditionFacts): ConditionResult | undefined {
  if (text.trim() === '') return false;
  const parser = new ConditionParser(text, facts);
  const term = parser.or();
  return term !== undefined && parser.isAtEnd ? term() : undefined;
}

class ConditionParser {
  private readonly facts: ConditionFacts;
  private rest: string;

  constructor(text: string, facts: ConditionFacts) {
    this.rest = text.trim();
    this.facts = facts;
  }

  get isAtEnd(): boolean {
    return this.rest === '';
  }

  or(): Term | undefined {
    return this.joined('||', () => this.and(), true);
  }

  private and(): Term | undefined {
    return this.joined('&&', () => this.term(), false);
  }

  /**
   * One side may decide even where the other is undecided: `strong` is the value that does, true for an or, false for
   * an and.
   */
  private joined(
    operator: string,
    part: () => Term | undefined,
    strong: boolean,
  ): Term | undefined {
    const terms: Term[] = [];
    do {
      const term = part();
      if (term === undefined) return undefined;
      terms.push(term);
    } while (this.accept(operator));
    return () => {
      const verdicts = terms.map((term) => term());
      if (verdicts.includes(strong)) return strong;
      return verdicts.includes('undecided') ? 'undecided' : !strong;
    };
  }

  private term(): Term | undefined {
    if (this.accept('!')) {
      const term = this.term();
      return term && (() => negate(term()));
    }
    const integer = INTEGER.exec(this.rest)?.[0];
    if (integer !== undefined) {
      this.skip(integer.length);
      return () => Number(integer) !== 0;
    }
    if (this.accept('(')) {
      const inner = this.or();
      return inner !== undefined && this.accept(')') ? inner : undefined;
    }
    const name = NAME.exec(this.rest)?.[0];
    if (name === undefined) return undefined;
    this.rest = this.rest.slice(name.length);
    const args = this.args();
    return args && (() => this.predicate(name, args));
  }

  /** What stands in parentheses, cut at commas; spaces are part of it. */
  private args(): readonly string[] | undefined {
    if (!this.rest.startsWith('(')) return [];
    const args = [''];
    let quote = '';
    for (let at = 1; at < this.rest.length; at += 1) {
      let char = this.rest[at] ?? '';
      if (char === quote) quote = '';
      else if (quote === '' && (char === '"' || char === "'")) quote = char;
      else if (quote === '' && char === ')') {
        this.skip(at + 1);
        return args;
      } else if (quote === '' && char === ',') args.push('');
      else {
        if (char === '\\' && quote !== "'") {
          at += 1;
          char = this.rest[at] ?? '';
        }
        args.push((args.pop() ?? '') + char);
      }
    }
    return undefined;
  }

  private predicate(name: string, [first = '', second = '']: readonly string[]): ConditionResult {
    const { version, features, lookup } = this.facts;
    const atLeast = (): ConditionResult => (version && isAtLeast(version, first)) ?? 'undecided';
    switch (name) {
      case 'defined':
        return lookup(first) !== undefined;
      case 'streq':
        return first === second;
      case 'strneq':
        return first !== second;
      case 'strstr':
        return first.includes(second);
      case 'version_atleast':
        return atLeast();
      case 'version_before':
        return negate(atLeast());
      case 'feature':
        return features === undefined ? 'undecided' : features.has(first);
      default:
        return 'undecided';
    }
  }

  private accept(token: string): boolean {
    if (!this.rest.startsWith(token)) return false;
    this.skip(token.length);
    return true;
  }

  private skip(length: number): void {
    this.rest = this.rest.slice(length).trimStart();
  }
}

function negate(result: ConditionResult): ConditionResult {
  return result === 'undecided' ? result : !result;
}
