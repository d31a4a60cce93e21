import { isSectionKind } from './sections.ts';
import { indentOf, unquotedAt, wordRanges } from './words.ts';

/** The role of a line in the structure of a file, whether its conditions hold or not. */
type Role = 'blank' | 'head' | 'statement' | 'if' | 'branch' | 'endif';

type OutlineLine = {
  readonly role: Role;
  /** How many `.if` are open around it; `.if` and its `.endif` stand outside of what they enclose. */
  readonly depth: number;
};

/** The lines of one file, from 0, and where more can be put without a change of what those there belong to. */
export class Outline {
  readonly lines: readonly string[];
  /** What ends each line. */
  readonly newline: '\n' | '\r\n';
  private readonly roles: readonly OutlineLine[];

  constructor(text: string) {
    this.newline = /^[^\n]*\r\n/.test(text) ? '\r\n' : '\n';
    this.lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
    this.roles = rolesOf(this.lines);
  }

  /** The line behind the last one of the section that begins at `head`: comments before the next are not its own. */
  endOf(head: number): number {
    const { depth } = this.at(head);
    let end = head + 1;
    for (let line = head + 1; line < this.roles.length; line += 1) {
      const { role, depth: own } = this.at(line);
      if (role === 'head' || own < depth) break;
      if (role === 'if') {
        const close = this.closeOf(line);
        if (this.roles.slice(line, close).some((each) => each.role === 'head')) break;
        line = close;
        end = close + 1;
      } else if (role === 'statement') end = line + 1;
    }
    return end;
  }

  /** The line itself, or the `.if` that it stands behind, inside of the section that begins at `head`. */
  outermost(line: number, head: number): number {
    const { depth } = this.at(head);
    for (let at = line; at > head && this.at(line).depth > depth; at -= 1) {
      const { role, depth: own } = this.at(at);
      if (role === 'if' && own === depth) return at;
    }
    return line;
  }

  /** Whether a condition decides about the line. */
  isConditional(line: number): boolean {
    return this.at(line).depth > 0;
  }

  /** The line behind `line`, or behind the `.endif` of the condition that begins there. */
  behind(line: number): number {
    return (this.at(line).role === 'if' ? this.closeOf(line) : line) + 1;
  }

  /** How lines of the section that begins at `head` are indented; where it has none, those of the file. */
  indentIn(head: number): string {
    for (let line = head + 1; line < this.endOf(head); line += 1) {
      if (this.at(line).role === 'statement') return indentOf(this.lines[line] ?? '');
    }
    const any = this.lines.find(
      (line, index) => this.at(index).role === 'statement' && /^\s/.test(line),
    );
    return any === undefined ? '    ' : indentOf(any);
  }

  private closeOf(start: number): number {
    const { depth } = this.at(start);
    const close = this.roles.findIndex(
      ({ role, depth: own }, line) => line > start && role === 'endif' && own === depth,
    );
    return close === -1 ? this.roles.length - 1 : close;
  }

  private at(line: number): OutlineLine {
    return this.roles[line] ?? { role: 'blank', depth: 0 };
  }
}

function rolesOf(lines: readonly string[]): OutlineLine[] {
  let depth = 0;
  return lines.map((line): OutlineLine => {
    const [first] = wordRanges(line);
    const keyword = unquotedAt(line, first);
    switch (keyword) {
      case '':
        return { role: 'blank', depth };
      case '.if':
        depth += 1;
        return { role: 'if', depth: depth - 1 };
      case '.elif':
      case '.else':
        return { role: 'branch', depth: depth - 1 };
      case '.endif':
        depth = Math.max(0, depth - 1);
        return { role: 'endif', depth };
      default:
        return { role: isSectionKind(keyword) ? 'head' : 'statement', depth };
    }
  });
}
