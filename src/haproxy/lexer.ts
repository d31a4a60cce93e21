/** One line of a configuration, cut into words as HAProxy does it. */
export type Lexed = {
  readonly words: readonly string[];
  /** Variables in it that are not set, which HAProxy replaces by nothing. */
  readonly unset: readonly string[];
  /** The error that HAProxy would refuse the line with; `words` has what came before it. */
  readonly flaw: string | undefined;
};

/** @returns the value of a variable, undefined where it is not set */
export type VariableLookup = (name: string) => string | undefined;

const REFERENCE =
  /^\$(?:\{(?<braced>\.?[A-Za-z_]\w*|\.)(?<each>\[\*\])?(?:-(?<fallback>[^}]*))?\}|(?<plain>\.?[A-Za-z_]\w*))/;
const LETTERS: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r' };

/**
 * Cuts a line into words: spaces and tabs between them, a comment from # on, "" with variables and escapes
 * in it, '' with nothing, \ before a character that stands for itself.
 *
 * Source: HAProxy's configuration manual, sections 2.2 and 2.3.
 */
export function lex(line: string, lookup: VariableLookup): Lexed {
  return new Lexer(line, lookup).run();
}

class Lexer {
  private readonly line: string;
  private readonly lookup: VariableLookup;
  private readonly words: string[] = [];
  private readonly unset: string[] = [];
  private at = 0;
  private word: string | undefined;
  private quote: '"' | "'" | undefined;
  /** A quoted word that is empty is a word, unless it held a list that is. */
  private isEmptyAWord = true;

  constructor(line: string, lookup: VariableLookup) {
    this.line = line;
    this.lookup = lookup;
  }

  run(): Lexed {
    while (this.at < this.line.length) {
      const char = this.line[this.at] ?? '';
      if (char === '\n' || char === '\r' || (char === '#' && this.quote === undefined)) break;
      const flaw = this.step(char);
      if (flaw !== undefined) return this.result(flaw);
    }
    this.endWord();
    return this.result(this.quote === undefined ? undefined : `the ${this.quote} is not closed`);
  }

  private result(flaw: string | undefined): Lexed {
    return { words: this.words, unset: this.unset, flaw };
  }

  private step(char: string): string | undefined {
    if ((char === '"' || char === "'") && (this.quote === undefined || this.quote === char)) {
      this.toggle(char);
    } else if (char === '\\' && this.quote !== "'") {
      return this.escape();
    } else if (char === '$' && this.quote === '"') {
      return this.expand();
    } else if (/\s/.test(char) && this.quote === undefined) {
      this.endWord();
      this.at += 1;
    } else {
      this.add(char);
      this.at += 1;
    }
    return undefined;
  }

  private toggle(char: '"' | "'"): void {
    this.at += 1;
    if (this.quote === undefined) {
      this.quote = char;
      this.isEmptyAWord = true;
      return;
    }
    this.quote = undefined;
    if (this.isEmptyAWord) this.add('');
  }

  private escape(): string | undefined {
    const next = this.line[this.at + 1] ?? '';
    const hex = /^[0-9a-f]{2}/i.exec(this.line.slice(this.at + 2))?.[0];
    if (next === 'x') {
      if (hex === undefined) return '\\x needs two hexadecimal digits';
      this.add(String.fromCharCode(Number.parseInt(hex, 16)));
      this.at += 4;
      return undefined;
    }
    const meant = LETTERS[next] ?? (this.isEscapable(next) ? next : undefined);
    this.add(meant ?? '\\');
    this.at += meant === undefined ? 1 : 2;
    return undefined;
  }

  private isEscapable(char: string): boolean {
    return char !== '' && (' \\#\'"'.includes(char) || (char === '$' && this.quote === '"'));
  }

  private expand(): string | undefined {
    const reference = REFERENCE.exec(this.line.slice(this.at));
    if (reference === null)
      return '$ in "" needs the name of a variable behind it, or a \\ before it';
    const { braced, plain, each, fallback } = reference.groups ?? {};
    const name = braced ?? plain ?? '';
    this.at += reference[0].length;
    const value = this.lookup(name) ?? fallback;
    if (each !== undefined) {
      this.isEmptyAWord = false;
      if (value !== undefined) this.addList(value);
      return undefined;
    }
    if (value === undefined) this.unset.push(name);
    this.add(value ?? '');
    return undefined;
  }

  private addList(value: string): void {
    value.split(/\s+/).forEach((part, index) => {
      if (index > 0) this.endWord();
      if (part !== '') this.add(part);
    });
  }

  private add(text: string): void {
    this.word = (this.word ?? '') + text;
  }

  private endWord(): void {
    if (this.word !== undefined) this.words.push(this.word);
    this.word = undefined;
  }
}
